"""Judge a folder of logs as it is now and as it was in a base, without a pipeline and without leaving anything.

A pull request asks what it would change: the stages run in this process, on a copy of the store, in a folder that
is thrown away. The base is a git ref, a store, or the `verdicts.json` of another time.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from green import index, pipeline
from green.audit import store
from green.check import check, facts
from green.compare import FAILING, RESOLVED, Base, Cause, Comparison, compare
from green.errors import GreenError, InputError, Where
from green.explain.policy import explain_policy
from green.gitref import Ref
from green.place import Places, keys_of_metric
from green.policy.judge import VERDICTS
from green.policy.load import load
from green.policy.model import BudgetPolicy
from green.whatif import rates_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from green.config import Config
    from green.policy.judge import Judgement
    from green.policy.load import Loaded, PolicySet
    from green.whatif import Rates

STORES = (".duckdb", ".db")
_KEYS = {"policy", "subject", "verdict", "title", "enforcement", "message", "value", "limit", "unit"}


def is_ref(against: str | None) -> bool:
    """Tell whether a base is a git ref: then both sides are read from logs."""
    return against is not None and not against.endswith((".json", *STORES))


def review(  # noqa: PLR0913 -- what a review depends on, each by name
    config: Config,
    policies: PolicySet,
    as_of: str,
    *,
    against: str | None = None,
    logs: Path | None = None,
    no_history: bool = False,
    commit: bool = False,
) -> tuple[Judgement, Comparison | None, list[str]]:
    """Judge the head and compare it with a base; return notes for people, too.

    The head is the store, unless logs are named or the base is a git ref: then it is the logs as they are now.
    """
    folder = logs or Path(config.logs)
    with TemporaryDirectory(prefix="green-review-") as temp:
        made = Review(config, policies, Path(temp), no_history=no_history)
        if logs is not None or is_ref(against):
            judgement, head = made.head(folder, as_of)
        else:
            head = made.history
            judgement = check(
                head,
                policies,
                as_of=as_of,
                no_history=no_history,
                commit=commit,
                actor=config.audit.actor,
                rates=rates_of(config),
            ).judgement
        comparison = None if against is None else made.against(against, judgement, head, folder)
        return judgement, comparison, made.notes


class Review:
    """A head and a base, judged by the same policies at the same time; what they need lies below `temp`."""

    def __init__(self, config: Config, policies: PolicySet, temp: Path, *, no_history: bool = False) -> None:
        """Prepare a review; without a store there is no history, and budgets are unknown."""
        self.config, self.policies, self.temp = config, policies, temp
        self.history = Path(config.store)
        self.no_history = no_history or not self.history.exists()
        self.notes: list[str] = []
        if self.no_history:
            where = "" if no_history else f"no store at {os.path.relpath(self.history)}: "
            self.notes.append(f"{where}budgets are unknown without the history of earlier runs")

    def head(self, logs: Path, as_of: str) -> tuple[Judgement, Path]:
        """Judge the logs as they are now; return the judgement and the store that it was made from."""
        published = self._assess(logs, self.temp / "head", allow_empty=self.config.allow_empty)
        return self._judge(published, as_of, rates_of(self.config)), published

    def against(self, base: str, judgement: Judgement, head: Path, logs: Path) -> Comparison:
        """Compare a judgement of the store `head` with a base: a `verdicts.json`, a store, or a git ref."""
        as_of = judgement.as_of or "latest"
        if base.endswith(".json"):
            return compare(judgement, read_verdicts(Path(base)), self.notes)
        if is_ref(base):
            ref = Ref(base, logs if logs.is_dir() else Path.cwd())
            folder = ref.take(logs, self.temp / "at")
            self.notes += self._changed(ref)
            if not any(folder.iterdir()):
                self.notes.append(f"{ref.shown} has no file below {os.path.relpath(logs)}: every finding is new")
            published, name = self._assess(folder, self.temp / "base", allow_empty=True), ref.shown
        else:
            published, name = Path(base), os.path.basename(base)  # noqa: PTH119 -- a text
        before = self._judge(published, as_of)
        records = tuple(verdict.record() for verdict in before.verdicts)
        comparison = compare(judgement, Base(name, before.digest, records), self.notes)
        # The base is judged by the waivers of now: one that it has no use for is no finding of it.
        known = {loaded.policy.id for loaded in self.policies.policies}
        kept = tuple(one for one in comparison.changes if one.state != RESOLVED or one.key[0] in known)
        return self._traced(replace(comparison, changes=kept), head, published, as_of)

    def _judge(self, published: Path, as_of: str, rates: Rates | None = None) -> Judgement:
        no_history = self.no_history
        return check(published, self.policies, as_of=as_of, no_history=no_history, commit=False, rates=rates).judgement

    def _assess(self, logs: Path, work: Path, *, allow_empty: bool) -> Path:
        """Run the stages over a folder of logs, and record their facts in a copy of the store.

        Both sides share the cache of ingest, so that what did not change is read once.
        """
        scanned = index.scan(logs, fingerprint="content")
        results = work / "results"
        if not scanned.sources and not allow_empty:
            index.write_index(scanned, results / "index", shards=1)  # says so, as the pipeline does
        config = self.config.model_copy(update={"logs": str(logs)})
        pipeline.compute(config, scanned, results, cache=self.temp / "cache", by="review")
        published = work / "green.duckdb"
        if self.history.exists():
            shutil.copyfile(self.history, published)
        pipeline.commit(config, scanned, results, published, by="review")
        return published

    def _changed(self, ref: Ref) -> list[str]:
        """Say what else differs: a review that loosens a limit should not pass unseen."""
        notes = []
        path = Path(self.config.policies)
        if ref.holds(path):
            try:
                names = _differing(load(ref.take(path, self.temp / "policies"), shown="policies"), self.policies)
            except GreenError as error:
                notes.append(f"the policies of the base cannot be read: {error.what}")
            else:
                if names:
                    notes.append(f"changed since the base: {', '.join(names)}; both sides are judged as it is now")
        file = Path("config.yaml").resolve()
        now = file.read_bytes() if file.exists() else None
        if ref.holds(file) and ref.text(file) != now:
            notes.append("config.yaml changed since the base; both sides are read with the present one")
        return notes

    def _traced(self, comparison: Comparison, head: Path, base: Path, as_of: str) -> Comparison:
        """Name the runs that moved each budget that is new or worse, with the line that holds their number."""
        known = {loaded.policy.id: loaded for loaded in self.policies.policies}
        moved = {one.key for one in comparison.changes if one.state in FAILING and _is_budget(known.get(one.key[0]))}
        causes: dict[tuple[str, str], list[Cause]] = {}
        if moved:
            with ExitStack() as stack:
                sides = [stack.enter_context(store.reader(side)) for side in (head, base)]
                for con in sides:
                    facts(con)
                for policy in sorted({policy for policy, _ in moved}):
                    now, before = (_summed(con, self.policies, policy, as_of) for con in sides)
                    for cause in _causes(known[policy], now, before, sides[0]):
                        causes.setdefault((policy, cause[0]), []).append(cause[1])
        return replace(
            comparison,
            changes=tuple(
                replace(one, causes=tuple(causes.get(one.key, ())))
                if one.key in moved and one.state in FAILING
                else one
                for one in comparison.changes
            ),
        )


Sums = dict[tuple[str, str], tuple[float | None, str]]  # (subject, run_id): what it adds, in which unit


def _is_budget(loaded: Loaded | None) -> bool:
    return loaded is not None and isinstance(loaded.policy, BudgetPolicy)


def _summed(con: duckdb.DuckDBPyConnection, policies: PolicySet, policy: str, as_of: str) -> Sums:
    """Return the runs that a budget sums."""
    runs = explain_policy(con, policies, policy, as_of=as_of)["runs"]
    return {
        (row["subject"], row["run_id"]): (None if row["value"] is None else float(row["value"]), row["unit"])
        for row in runs
    }


def _causes(loaded: Loaded, now: Sums, before: Sums, con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, Cause]]:
    """Give (subject, run) of what a budget did not sum before, or sums with another figure; the largest first."""
    new = {key: figure for key, figure in now.items() if before.get(key) != figure}
    ids = sorted({run_id for _, run_id in new})
    places = Places(con, ids)
    keys = keys_of_metric(str(getattr(loaded.policy, "metric", "")))
    first = dict(
        con.execute(
            "SELECT run_id, (where_file, where_line) FROM fact"
            " SEMI JOIN (SELECT unnest($ids) AS run_id) USING (run_id)",
            {"ids": ids},
        ).fetchall()
    )

    def moved(key: tuple[str, str]) -> float:
        value, old = new[key][0], before.get(key, (0.0, ""))[0]
        return float("-inf") if value is None else old - value if old is not None else -value

    for key in sorted(new, key=lambda one: (moved(one), one)):
        subject, run_id = key
        file, line = places.of(run_id, keys) or first[run_id]
        old = before[key][0] if key in before else None
        yield subject, Cause(run_id, new[key][0], old, new[key][1], file, line)


def _differing(before: PolicySet, now: PolicySet) -> list[str]:
    """Name the policies that are not the same; what else is under the digest are waivers."""
    old, new = ({one.policy.id: one.canonical() for one in side.policies} for side in (before, now))
    names = [f"{name} added" for name in sorted(new.keys() - old.keys())]
    names += [f"{name} removed" for name in sorted(old.keys() - new.keys())]
    names += [name for name in sorted(new.keys() & old.keys()) if old[name] != new[name]]
    return names or (["waivers"] if before.digest != now.digest else [])


def read_verdicts(path: Path) -> Base:
    """Read a `verdicts.json` as a base; what is none is refused."""
    shown = Where(os.path.relpath(path))
    mend = "name a verdicts.json that `snakemake` or `green check --format json` left"
    try:
        found: Any = json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise InputError(f"cannot read the base: {error.strerror}", where=shown, mend=mend) from error
    except ValueError as error:
        raise InputError("the base is no JSON", where=shown, mend=mend) from error
    listed = found.get("verdicts") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(map(_is_record, listed)):
        raise InputError("the base is no verdicts.json", where=shown, mend=mend)
    digest = found.get("digest")
    return Base(path.name, digest if isinstance(digest, str) else None, tuple(listed))


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _is_record(record: object) -> bool:
    """Tell whether an object has what a comparison reads of a verdict."""
    if not isinstance(record, dict) or not record.keys() >= _KEYS:
        return False
    numbers = [record.get(name) for name in ("value", "limit", "low", "high")]
    texts = [record[name] for name in ("policy", "subject", "title", "message", "enforcement")]
    place = record.get("where")
    return (
        record["verdict"] in VERDICTS
        and all(isinstance(text, str) for text in texts)
        and all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in numbers)
        and all(
            record.get(name) is None or isinstance(record[name], str) for name in ("unit", "mend", "reason", "metric")
        )
        and (place is None or isinstance(place, dict))
    )
