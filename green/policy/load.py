"""Read the policies of a folder, and refuse them with file, line and mend where they are wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from green import yaml
from green.errors import UsageError, Where
from green.policy.bounds import BadBound, Bounds, bounds_of, check_bounds
from green.policy.files import files
from green.policy.metrics import nearest
from green.policy.model import KINDS, Bundle, Defaults, Enforcement, OnUnknown, Policy, PolicyFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    """All policies, sorted by id, and the digest of what they say."""

    policies: tuple[Loaded, ...]
    digest: str

    def __getitem__(self, policy_id: str) -> Loaded:
        """Return a policy by its id."""
        return next(loaded for loaded in self.policies if loaded.policy.id == policy_id)


def load(path: Path, *, shown: str = "") -> PolicySet:
    """Read every policy file below a folder, or one file; `shown` is its name in messages."""
    name = shown or path.name
    if not path.exists():
        raise UsageError(f"no policies at {name}", where=Where(name), mend="check --policies")
    found: dict[str, Loaded] = {}
    for file in files(path):
        label = name if file == path else f"{name}/{file.relative_to(path).as_posix()}"
        for loaded in _read(file, label):
            first = found.setdefault(loaded.policy.id, loaded)
            if first is not loaded:
                raise UsageError(
                    f'policy id "{loaded.policy.id}" is used twice, first at {first.where}',
                    where=loaded.where,
                    mend="ids are unique over all bundles and never reused: give this one a new id",
                )
    if not found:
        raise UsageError(f"no policy in {name}", where=Where(name), mend="add one: an empty set would pass everything")
    ordered = tuple(found[key] for key in sorted(found))
    return PolicySet(ordered, digest_of([loaded.canonical() for loaded in ordered]))


def digest_of(value: object) -> str:
    """Hash a JSON value in one canonical spelling: sorted keys, no spaces, shortest floats."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(file: Path, label: str) -> Iterator[Loaded]:
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
        yield _loaded(policy, whole.bundle, whole.defaults, below(document, None, "policies", index))


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


def _loaded(policy: Policy, bundle: Bundle, defaults: Defaults, part: yaml.Document) -> Loaded:
    try:
        check_bounds(policy)
        bounds = bounds_of(policy)
    except BadBound as error:
        raise UsageError(
            f"{'.'.join(map(str, error.path))}: {error.what}", where=part.where(*error.path), mend=error.mend
        ) from error
    enforcement = policy.enforcement or defaults.enforcement
    on_unknown = policy.on_unknown or defaults.on_unknown
    return Loaded(policy, bundle, part.where("id"), enforcement, on_unknown, bounds)
