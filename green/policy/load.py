"""Read the policies of a folder, and refuse them with file, line and mend where they are wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from green import yaml
from green.errors import UsageError, Where
from green.policy import files as listing
from green.policy import scope as scopes
from green.policy.bounds import BadBound, Bounds, bounds_of, check_bounds
from green.policy.files import label
from green.policy.metrics import nearest
from green.policy.model import KINDS, Bundle, Enforcement, OnUnknown, Policy, PolicyFile
from green.policy.waivers import POLICY, Granted, WaiverFile, granted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from green.policy.scope import Scope

APART = "waivers.yaml"  # has a file of its own, so that CODEOWNERS can guard it


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy with its place, and with the defaults of its file applied."""

    policy: Policy
    bundle: Bundle
    where: Where
    enforcement: Enforcement
    on_unknown: OnUnknown
    bounds: Bounds | None

    def canonical(self) -> dict[str, Any]:
        """Return what the policy says, as plain JSON values, for the digest."""
        said = self.policy.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {
            **said,
            "enforcement": self.enforcement.value,
            "on_unknown": self.on_unknown.value,
            "bundle": self.bundle.model_dump(mode="json"),
        }


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies and waivers, sorted by id, and the digest of what they say."""

    policies: tuple[Loaded, ...]
    digest: str
    waivers: tuple[Granted, ...] = ()

    def __getitem__(self, policy_id: str) -> Loaded:
        """Return a policy by its id."""
        return next(loaded for loaded in self.policies if loaded.policy.id == policy_id)

    def only(self, policy_id: str) -> PolicySet:
        """Return the set of one policy and its waivers."""
        return PolicySet((self[policy_id],), self.digest, self.waivers_of(policy_id))

    def waivers_of(self, policy_id: str) -> tuple[Granted, ...]:
        """Return the waivers of a policy, by id."""
        return tuple(one for one in self.waivers if one.waiver.policy == policy_id)

    def bundle_digest(self, bundle_id: str) -> str:
        """Return the digest of what the policies of one bundle say, wherever their files lie."""
        return digest_of([one.canonical() for one in self.policies if one.bundle.id == bundle_id])


def load(path: Path, *, shown: str = "") -> PolicySet:
    """Read every policy and waiver file below a folder, or one file; `shown` is its name in messages."""
    name = shown or path.name
    if not path.exists():
        raise UsageError(f"no policies at {name}", where=Where(name), mend="check --policies")
    found: dict[str, Loaded] = {}
    bundles: dict[str, Loaded] = {}
    every = files(path)
    for file in policy_files(path, every):
        for loaded in _read(file, label(path, name, file), _scope(path, name, file)):
            first = found.setdefault(loaded.policy.id, loaded)
            if first is not loaded:
                raise UsageError(
                    f'policy id "{loaded.policy.id}" is used twice, first at {first.where}',
                    where=loaded.where,
                    mend="ids are unique over all bundles and never reused: give this one a new id",
                )
            _one_version(loaded, bundles.setdefault(loaded.bundle.id, loaded))
    if not found:
        raise UsageError(f"no policy in {name}", where=Where(name), mend="add one: an empty set would pass everything")
    ordered = tuple(found[key] for key in sorted(found))
    waivers = _waivers([(file, label(path, name, file)) for file in every if file.name == APART], found)
    said = [loaded.canonical() for loaded in ordered]
    body = {"policies": said, "waivers": [one.canonical() for one in waivers]} if waivers else said
    return PolicySet(ordered, digest_of(body), waivers)


def files(path: Path) -> list[Path]:
    """List all files below a folder that verdicts depend on: policies, scopes and waivers, but no cases."""
    return listing.files(path, scopes.is_opt_in)


def case_files(path: Path) -> list[Path]:
    """List the files of cases: those of a folder `cases`, or of every such folder among the policies."""
    return [file for file in listing.applying(path, scopes.is_opt_in) if file.parent.name == "cases"]


def policy_files(path: Path, every: list[Path] | None = None) -> list[Path]:
    """List the policy files below a folder."""
    found = files(path) if every is None else every
    return [file for file in found if file == path or file.name not in {APART, scopes.NAME}]


def _scope(path: Path, name: str, file: Path) -> Scope:
    """Read the scopes that hold for a file, from the folder of the policies down to its own."""
    if file == path:
        return scopes.Scope()
    inner = file.parent.relative_to(path)
    folders = [path, *(path / part for part in reversed([inner, *inner.parents]) if part.parts)]
    present = [folder / scopes.NAME for folder in folders if (folder / scopes.NAME).exists()]
    return scopes.read([(one, label(path, name, one)) for one in present])


def _one_version(loaded: Loaded, first: Loaded) -> None:
    if loaded.bundle.version != first.bundle.version:
        raise UsageError(
            f"bundle {loaded.bundle.id} has version {loaded.bundle.version} here and"
            f" {first.bundle.version} at {first.where}",
            where=loaded.where,
            mend="a bundle has one version: raise it in all of its files",
        )


def _waivers(found: list[tuple[Path, str]], known: dict[str, Loaded]) -> tuple[Granted, ...]:
    """Read the files of waivers, and check each against its policy."""
    waivers: dict[str, Granted] = {}
    for file, shown in found:
        document = yaml.load(file, shown)
        for index, waiver in enumerate(yaml.validate(WaiverFile, document).waivers):

            def where(*keys: str | int, index: int = index, document: yaml.Document = document) -> Where:
                return document.where("waivers", index, *keys)

            one = granted(waiver, known.get(waiver.policy), tuple(sorted(known)), where)
            first = waivers.setdefault(waiver.id, one)
            if first is not one:
                raise UsageError(
                    f'waiver id "{waiver.id}" is used twice, first at {first.where}',
                    where=where("id"),
                    mend="ids of waivers are never reused: give this one a new id",
                )
    return tuple(waivers[key] for key in sorted(waivers))


def digest_of(value: object) -> str:
    """Hash a JSON value in one canonical spelling: sorted keys, no spaces, shortest floats."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(file: Path, label: str, scope: Scope) -> Iterator[Loaded]:
    document = yaml.load(file, label)
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("policies"), list):
        raise UsageError(
            "not a policy file",
            where=document.where(),
            mend="it has apiVersion, bundle and a list of policies",
        )
    for index, raw in enumerate(value["policies"]):
        _checked(below(document, raw, "policies", index))
    whole = yaml.validate(PolicyFile, document)
    for index, policy in enumerate(whole.policies):
        yield _loaded(policy, whole, scope, below(document, None, "policies", index))


def below(document: yaml.Document, value: object, *prefix: str | int) -> yaml.Document:
    """Return the part of a document at `prefix`, whose mistakes keep their line."""
    size = len(prefix)
    places = {path[size:]: place for path, place in document.places.items() if path[:size] == prefix}
    return yaml.Document(document.file, value, places, document.lines)


def _checked(part: yaml.Document) -> None:
    """Validate one policy by its own kind: the union of all kinds would blur the place of a mistake."""
    raw = part.value
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise UsageError(
            "a policy without a known kind", where=part.where("kind"), mend=nearest(str(kind), tuple(KINDS))
        )
    yaml.validate(KINDS[kind], part)


def _loaded(policy: Policy, file: PolicyFile, scope: Scope, part: yaml.Document) -> Loaded:
    """Check a policy's bounds, and apply what its file and its folders say where it does not."""
    if policy.id == POLICY:
        raise UsageError(
            f"{POLICY} is the id of findings about waivers", where=part.where("id"), mend="give this one another id"
        )
    try:
        check_bounds(policy)
        bounds = bounds_of(policy)
    except BadBound as error:
        raise UsageError(
            f"{'.'.join(map(str, error.path))}: {error.what}", where=part.where(*error.path), mend=error.mend
        ) from error
    defaults = file.defaults
    enforcement = policy.enforcement or defaults.enforcement or scope.enforcement or Enforcement.SOFT_MANDATORY
    on_unknown = policy.on_unknown or defaults.on_unknown or scope.on_unknown or OnUnknown.FAIL
    narrowed = policy.model_copy(update={"select": scope.narrowed(policy.select, part)}) if scope.selects else policy
    return Loaded(narrowed, file.bundle, part.where("id"), enforcement, on_unknown, bounds)
