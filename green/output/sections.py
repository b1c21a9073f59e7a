"""The sections of the page that show figures and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.explain.formulas import formulas
from green.output import charts, collapsed
from green.output.markup import drawing, figure, fold, known, name, safe, shown, table
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.output.page import Group, Page, Row, Run

MOST_DRAWN = 12  # bars that can be told apart; the table below has the rest
MOST_UNKNOWN_DRAWN = 3


def runs(page: Page) -> str:
    """Draw the runs that emit the most, and list all."""
    counted = [run for run in page.runs if run.facts["is_counted"]]
    most = [run for run in counted if run.emissions.value is not None][:MOST_DRAWN]
    unknown = [run for run in counted if run.emissions.value is None][:MOST_UNKNOWN_DRAWN]
    keys = (("energy", "energy"), ("op", "emissions"), ("unknown", "unknown, never zero"), ("line", "interval"))
    caption = f"The {len(most)} runs with the most emissions" + (f", and {len(unknown)} unknown" if unknown else "")
    columns = ("Run", "Project, team", "Region", "Ended", "Energy (IT)", "At the facility", "Emissions", "Quality")
    listed = table(
        "Runs, the most emissions first, the unknown last",
        columns,
        map(_run, page.runs),
        numbers=(4, 5, 6),
        more=page.stored - len(page.runs),
    )
    return drawing(charts.runs([*most, *unknown]), caption, keys) + listed


def _run(run: Run) -> list[str]:
    facts = run.facts
    coverage = "" if facts["coverage_ratio"] is None else f", {shown(100 * facts['coverage_ratio'], '%')} covered"
    notes = [*facts["flags"], *([] if facts["is_counted"] else ["not counted"])]
    return [
        name(run.run_id, facts["status"]),
        name(facts["project"], facts["team"], "(none)"),
        safe(facts["region"]),
        f'<span class="day">{safe(facts["day"])}</span>',
        figure(run.energy, with_interval=True),
        figure(run.facility),
        figure(run.emissions, with_interval=True),
        f"{safe(facts['method'] or 'none')}{coverage}<small>{safe(', '.join(notes))}</small>",
    ]


def groups(page: Page) -> str:
    """List totals by project, team and month."""
    return (
        _totals("By project", ("Project",), page.projects, page.most_rows)
        + _totals("By project and month", ("Project", "Month"), page.project_months, page.most_rows)
        + _totals("By team and month", ("Team", "Month"), page.team_months, page.most_rows)
    )


def _totals(caption: str, by: Sequence[str], groups: Sequence[Group], most: int) -> str:
    columns = (*by, "Runs", "Known energy (IT)", "Known operational", "Known embodied", "Emissions")
    rows = (
        [
            *(name(one, otherwise="(none)") for one in group.names),
            f"{group.runs:,}",
            *map(known, (group.energy, group.operational, group.embodied)),
            figure(group.emissions, with_interval=group.emissions.low is not None),
        ]
        for group in groups[:most]
    )
    first = len(by)
    return table(caption, columns, rows, numbers=range(first, first + 5), more=len(groups) - most)


def plans(page: Page) -> str:
    """List what plans were worth: actual over planned, of teams the median."""
    teams, runs = page.plans
    of_teams = (
        [
            name(one["team"], otherwise="(none)"),
            f"{one['runs']:,}",
            f"{one['runs_within']:,}",
            _ratio(one["energy_ratio"]),
            f"{_ratio(one['energy_ratio_low'])} to {_ratio(one['energy_ratio_high'])}",
            _ratio(one["emissions_ratio"]),
        ]
        for one in teams[: page.most_rows]
    )
    of_runs = (
        [
            name(one["run_id"], one["team"]),
            *(safe(shown(one[key], "kWh")) for key in ("planned_energy_kwh", "energy_kwh")),
            _ratio(one["energy_ratio"]),
            *(safe(shown(one[key], "kgCO2e")) for key in ("planned_emissions_kgco2e", "emissions_kgco2e")),
            _ratio(one["emissions_ratio"]),
        ]
        for one in runs
    )
    columns = ("Team", "Runs", "Within the interval", "Energy", "From, to", "Emissions")
    caption = "Actual over planned: the median of each team's runs that had a plan"
    named = ("Run", "Planned energy", "Used", "Ratio", "Planned emissions", "Emitted", "Ratio")
    more = sum(one["runs"] for one in teams) - len(runs)
    return table(caption, columns, of_teams, numbers=range(1, 6), more=len(teams) - page.most_rows) + table(
        "Runs that had a plan, the furthest off first", named, of_runs, numbers=range(1, 7), more=more
    )


def _ratio(ratio: float | None) -> str:
    return '<span class="unknown">unknown</span>' if ratio is None else f'<span class="n">{ratio:.3g}</span>'


def parts(page: Page) -> str:
    """Draw what electricity and what hardware emits."""
    ranked = sorted(page.projects, key=lambda one: -((one.operational.value or 0) + (one.embodied.value or 0)))
    keys = [("op", "operational (electricity × grid intensity)"), ("emb", "embodied (share of the hardware)")]
    if any(one.unknown for one in ranked[:MOST_DRAWN]):
        keys.append(("unknown", "unknown runs, of no known length"))
    picture = drawing(charts.stacked(ranked[:MOST_DRAWN]), "Known emissions of each project, by origin", keys)
    return picture or '<p class="calm">No emissions are known yet.</p>'


def quality(page: Page) -> str:
    """Say how well the figures are known, and what was not read."""
    coverage, parts = page.coverage, []
    if coverage["known"]:
        least, middle = (shown(100 * coverage[name], "%") for name in ("least", "middle"))
        parts.append(
            f"<p>{coverage['known']:,} of {coverage['runs']:,} runs were metered over time: half of these for at least "
            f"{middle} of it, and each for at least {least}.</p>\n"
        )
    parts.append('<div class="pair">')
    for column, caption in (("method", "How energy is known"), ("scope", "Components that were measured")):
        rows = ([safe(value or "none: no energy is known"), f"{runs:,}"] for value, runs in page.quality[column])
        parts.append(table(caption, (column.capitalize(), "Runs"), rows, numbers=(1,)))
    parts.append("</div>")
    for column, caption in (("unknown_reasons", "Why figures are unknown"), ("flags", "What a reader should know")):
        codes = page.quality[column]
        rows = ([f"<code>{safe(code)}</code>", f"{runs:,}", *map(safe, reason(code or ""))] for code, runs in codes)
        if codes:
            parts.append(table(caption, ("Code", "Runs", "What it means", "Mend"), rows, numbers=(1,)))
    return "".join(parts) + _rejects(page)


def _rejects(page: Page) -> str:
    if not page.rejects:
        return '<p class="calm">Every line of every log was read.</p>'
    rejects = collapsed(page.rejects)
    rows = (
        [
            f"<code>{safe(one['file'])}{'' if one['line'] is None else ':' + str(one['line'])}</code>",
            f"{one['lines']:,}",
            f"<code>{safe(one['reason'])}</code><small>{safe(reason(one['reason']).meaning)}</small>",
            safe(one["detail"]),
        ]
        for one in rejects[: page.most_rows]
    )
    more = len(rejects) - page.most_rows
    return table("What was not read", ("File and line", "Lines", "Reason", "Detail"), rows, numbers=(1,), more=more)


def method(page: Page) -> str:
    """Say what the figures were made of, and how anybody can check them."""
    listed = (
        [
            f"<code>{safe(one.name)}</code>",
            f"<code>{safe(one.text)}</code>",
            safe(one.clause),
        ]
        for one in formulas().values()
    )
    used = table("Formulas, each kept in the store as a macro of this name", ("Name", "Formula", "Meaning"), listed)
    columns = ("Factor", "About", "Value", "Valid", "Source", "Licence")
    rows = map(_factor, page.factors)
    return (
        _ledger(page.ledger)
        + table("Factors that these figures used", columns, rows, numbers=(2,))
        + fold("Formulas", used)
    )


def _factor(row: Row) -> list[str]:
    value = f"{row['value']:g} {row['unit']}".removesuffix(" 1")
    if row["low"] is not None and row["high"] is not None:
        value += f" ({row['low']:g} to {row['high']:g})"
    days = (("from", row["valid_from"]), ("to", row["valid_to"]))
    valid = " ".join(f"{word} {day}" for word, day in days if day is not None)
    source = safe(row["source"])
    if str(row["url"]).startswith("https://"):  # a table of one's own may hold any text here
        source = f'<a rel="noreferrer" href="{safe(row["url"])}">{source}</a>'
    return [
        safe(row["quantity"]),
        safe(row["subject"]),
        safe(value),
        valid,
        source,
        safe(row["licence"]),
    ]


def _ledger(row: Row) -> str:
    facts = (
        ("Head of the ledger", row["head"]),
        ("Events", f"{row['events']:,}"),
        ("Factor set", row["factors_sha256"]),
        ("SQL that computed", row["code_sha256"]),
        ("Made with", f"green {row['green_version']}, DuckDB {row['duckdb_version']}"),
    )
    listed = "".join(f"<dt>{name}</dt><dd><code>{safe(value)}</code></dd>" for name, value in facts)
    return (
        "<p>Each figure leads back to the bytes that it came from. <code>green explain RUN</code> shows how one was "
        "made, <code>green verify</code> recomputes the chain and every projection of the store.</p>\n"
        f'<dl class="facts">{listed}</dl>\n'
    )
