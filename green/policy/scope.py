"""What holds for the policies of a folder: `scope.yaml` gives defaults and narrows whom they may be about.

No policy overrides another: all apply. So a folder can say how strictly its policies are enforced where they do
not say it themselves, and that they are about one team only; it cannot weaken what stands above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field, field_validator

from green import yaml
from green.errors import UsageError
from green.policy.files import SCOPE
from green.policy.model import Enforcement, Matcher, OnUnknown, Part, Select

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from green.errors import Where

NAME = SCOPE
_STRICTNESS = (*Enforcement, OnUnknown.WARN, OnUnknown.FAIL)  # each vocabulary from weak to strict
T = TypeVar("T", Enforcement, OnUnknown)


class ScopeDefaults(Part):
    """What holds below a folder, where a file or a policy does not say it."""

    enforcement: Enforcement | None = None
    on_unknown: OnUnknown | None = None


class ScopeFile(Part):
    """The scope of a folder."""

    api_version: Literal["green/v1"] = Field(alias="apiVersion")
    defaults: ScopeDefaults = ScopeDefaults()
    select: Matcher | None = None
    opt_in: bool = False

    @field_validator("select")
    @classmethod
    def _names_somebody(cls, select: Matcher | None) -> Matcher | None:
        if select is not None and not select.fields() and not select.labels:
            raise ValueError("`select` is empty | name whom the policies of this folder are about, or leave it out")
        return select


@dataclass(frozen=True, slots=True)
class Scope:
    """What the scopes from the top down to a folder say together."""

    enforcement: Enforcement | None = None
    on_unknown: OnUnknown | None = None
    selects: tuple[tuple[str, Matcher], ...] = field(default=())  # the file that narrows, and to whom

    def narrowed(self, select: Select, document: yaml.Document) -> Select:
        """Return a selector within the scope; one that reaches beyond it is a mistake."""
        for name, matcher in self.selects:
            asked, update = select.fields(), {}
            for key, values in matcher.fields().items():
                own = asked.get(key, values)
                _inside(key, own, values, name, document.where("select", key))
                update[key] = own
            labels = dict(select.labels)
            for key, values in matcher.labels.items():
                labels[key] = labels.get(key, values)
                _inside(f"label {key}", labels[key], values, name, document.where("select", "labels", key))
            select = select.model_copy(update={**update, "labels": labels})
        return select


def read(files: Sequence[tuple[Path, str]]) -> Scope:
    """Read scopes from the outermost to the innermost; an inner one may only be stricter."""
    scope = Scope()
    for file, shown in files:
        document = yaml.load(file, shown)
        said = yaml.validate(ScopeFile, document)
        scope = Scope(
            _stricter(scope.enforcement, said.defaults.enforcement, document.where("defaults", "enforcement")),
            _stricter(scope.on_unknown, said.defaults.on_unknown, document.where("defaults", "on_unknown")),
            scope.selects if said.select is None else (*scope.selects, (shown, said.select)),
        )
    return scope


def is_opt_in(file: Path, shown: str) -> bool:
    """Tell whether the policies of a folder apply only where the folder itself is named."""
    return file.exists() and yaml.validate(ScopeFile, yaml.load(file, shown)).opt_in


def _stricter(outer: T | None, inner: T | None, where: Where) -> T | None:
    if inner is None or outer is None:
        return outer if inner is None else inner
    if _STRICTNESS.index(inner) < _STRICTNESS.index(outer):
        raise UsageError(
            f"{inner.value} is weaker than the {outer.value} of the folder above",
            where=where,
            mend="a folder may only be stricter than the one above it",
        )
    return inner


def _inside(key: str, own: tuple[str, ...], values: tuple[str, ...], scope: str, where: Where) -> None:
    for name in own:
        if name not in values:
            raise UsageError(
                f'{key} "{name}" is outside of what {scope} covers',
                where=where,
                mend=f"one of {', '.join(values)}, or write the policy into another folder",
            )
