"""The configuration: `config.yaml`, every mistake with its file and line, and nothing left to chance.

Later files win over earlier ones, and `--config` wins over all. Paths written in a file are relative
to that file, on the command line to the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from green import yaml
from green.errors import UsageError, Where
from green.instruments import Instrument
from green.mapping import Mapping_
from green.model import ConfiguredSite, Hours, Name, Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH_KEYS = (("logs",), ("store",), ("policies",), ("factors",), ("emissions", "series"))


class IngestSettings(Part):
    """How logs are read."""

    fingerprint: Literal["mtime", "content"] = "mtime"
    most_rejects_per_file: int = Field(default=200, ge=1, le=100_000)
    most_unpacked_bytes: int = Field(default=4 << 30, ge=1 << 16, le=1 << 42)


class EnergySettings(Part):
    """How readings become energy."""

    max_gap: Seconds | None = None
    model_rest: bool = False


class EmbodiedSettings(Part):
    """How embodied carbon is amortised where a record says nothing."""

    lifetime: Hours | None = None


class EmissionsSettings(Part):
    """How energy becomes emissions."""

    series: tuple[str, ...] = ()


class AuditSettings(Part):
    """How the store is kept."""

    actor: Name | None = None


class CheckSettings(Part):
    """How policies are judged."""

    as_of: str = "latest"


class ReportSettings(Part):
    """How the report looks."""

    title: str = "Energy and carbon"
    most_runs: int = Field(default=500, ge=1, le=100_000)


class Config(Part):
    """Everything that `config.yaml` may say."""

    logs: str = "logs"
    allow_empty: bool = False
    shards: Literal[1, 16, 256] = 16
    store: str = "audit/green.duckdb"
    policies: str = "policies"
    factors: tuple[str, ...] = ()
    default_site: Name | None = None
    sites: dict[str, ConfiguredSite] = Field(default_factory=dict)
    teams: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    projects: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    instruments: tuple[Instrument, ...] = ()
    readers: tuple[Mapping_, ...] = ()
    ingest: IngestSettings = IngestSettings()
    energy: EnergySettings = EnergySettings()
    embodied: EmbodiedSettings = EmbodiedSettings()
    emissions: EmissionsSettings = EmissionsSettings()
    audit: AuditSettings = AuditSettings()
    check: CheckSettings = CheckSettings()
    report: ReportSettings = ReportSettings()


@dataclass(frozen=True, slots=True)
class _Merged(yaml.Document):
    """Several documents laid over each other; a place is looked up in the last one that has it."""

    layers: tuple[yaml.Document, ...] = ()

    def where(self, *path: str | int) -> Where:
        for depth in range(len(path), 0, -1):
            for layer in reversed(self.layers):
                if path[:depth] in layer.places:
                    return layer.where(*path[:depth])
        return self.layers[-1].where()


def _merge(below: Any, above: Any) -> Any:  # noqa: ANN401 -- plain YAML values
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _merge(below.get(key), value) for key, value in above.items()}}
    return above


def _resolve(value: Any, base: Path) -> Any:  # noqa: ANN401 -- plain YAML values
    """Make the paths of one layer independent of the working directory."""

    def absolute(path: object) -> object:
        return os.path.normpath(base / path) if isinstance(path, str) else path

    if not isinstance(value, dict):
        return value
    out = dict(value)
    for head, *rest in PATH_KEYS:
        if rest and isinstance(out.get(head), dict) and rest[0] in out[head]:
            inner = out[head][rest[0]]
            out[head] = {**out[head], rest[0]: _each(absolute, inner)}
        elif not rest and head in out:
            out[head] = _each(absolute, out[head])
    return out


def _paths(value: Any, above: yaml.Path_ = ()) -> list[yaml.Path_]:  # noqa: ANN401 -- plain YAML values
    """List the path of every key, so that a mistake of the command line is not looked for in a file."""
    if not isinstance(value, Mapping):
        return []
    return [path for key in value for path in ((*above, key), *_paths(value[key], (*above, key)))]


def _each(function: Any, value: Any) -> Any:  # noqa: ANN401 -- plain YAML values
    return [function(item) for item in value] if isinstance(value, list) else function(value)


def load(files: Sequence[Path | str], overrides: Mapping[str, Any] | None = None, *, root: Path) -> Config:
    """Read the files in order, lay `overrides` over them, and check the whole."""
    return load_with_value(files, overrides, root=root)[0]


def load_with_value(
    files: Sequence[Path | str], overrides: Mapping[str, Any] | None = None, *, root: Path
) -> tuple[Config, dict[str, Any]]:
    """Return the configuration and the plain value that it was made of, for jobs to read it back.

    `root` is the repository: what no file names (policies) is taken from there.
    """
    work = Path.cwd()
    layers: list[yaml.Document] = []
    value: Any = {"policies": str(root / "policies")}
    for file in dict.fromkeys(Path(file).resolve() for file in files):
        document = yaml.load(file, shown=os.path.relpath(file, work))
        if document.value is None:
            continue
        if not isinstance(document.value, dict):
            raise UsageError("config is not a mapping", where=document.where(), mend="write `key: value` lines")
        layers.append(document)
        value = _merge(value, _resolve(document.value, file.parent))
    layers.append(yaml.Document("--config", dict(overrides or {}), dict.fromkeys(_paths(overrides or {}), (0, 0))))
    value = _merge(value, _resolve(dict(overrides or {}), work))
    for key in ("logs", "store"):
        value.setdefault(key, os.path.normpath(work / Config.model_fields[key].default))
    return _check(yaml.validate(Config, _Merged("config", value, layers=tuple(layers)))), value


def _check(config: Config) -> Config:
    if config.default_site is not None and config.default_site not in config.sites:
        raise UsageError(
            f'default_site "{config.default_site}" is not one of sites',
            mend="add it below sites:, or mend the name",
        )
    seen: set[str] = set()
    for one in config.instruments:
        if one.site is not None and one.site not in config.sites:
            raise UsageError(
                f'instrument "{one.id}": site "{one.site}" is not one of sites',
                mend="add it below sites:, or mend the name",
            )
        if one.id in seen:
            raise UsageError(f'two instruments "{one.id}"', mend="give each an id of its own")
        seen.add(one.id)
    return config


def read_back(text: str) -> Config:
    """Read the configuration that the main process left for its jobs."""
    return Config.model_validate_json(text)


def schema() -> dict[str, Any]:
    """Return the JSON schema of config.yaml, as it is committed for editors."""
    out = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Green config.yaml", **out}
