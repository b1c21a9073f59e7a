"""The report as one page that opens anywhere: no script, no network, no font of its own, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from green.output import WORST_FIRST, charts, sections, would
from green.output.markup import badge, drawing, figure, fold, interval, known, name, safe, section, shown, table
from green.output.page import Figure
from green.reasons import reason

if TYPE_CHECKING:
    from green.output.page import Page, Row

MOST_CARDS = 12  # of one verdict that are open; the rest is folded
STYLE = Path(__file__).with_name("report.css")
_WORDS = {"error": "in error", "fail": "failing", "at_risk": "at risk", "warn": "near a limit", "pass": "passing"}
_SECTIONS = (
    ("verdicts", "Verdicts"),
    ("budgets", "Budgets"),
    ("runs", "Runs"),
    ("plans", "Plan against actual"),
    ("groups", "Projects, teams, months"),
    ("parts", "Operational and embodied"),
    ("quality", "Data quality"),
    ("method", "How the numbers were made"),
)


def render(page: Page) -> str:
    """Return the whole page."""
    bodies = {
        "verdicts": _verdicts(page),
        "budgets": _budgets(page),
        "runs": sections.runs(page),
        "groups": sections.groups(page),
        "parts": sections.parts(page),
        "quality": sections.quality(page),
        "method": sections.method(page),
    }
    if page.plans[0]:  # a section that most pages have no use for
        bodies["plans"] = sections.plans(page)
    listed = [(ident, title) for ident, title in _SECTIONS if ident in bodies]
    links = " ".join(f'<a href="#{ident}">{title}</a>' for ident, title in listed)
    filled = "".join(section(ident, title, bodies[ident]) for ident, title in listed)
    # The policy of the page itself: should a name ever escape its text, nothing of it could load or run.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{safe(page.title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n<body>\n"
        f"{_PATTERN}<header><h1>{safe(page.title)}</h1>\n{_head(page)}"
        f'<nav aria-label="Sections">{links}</nav></header>\n'
        f"<main>\n{filled}</main>\n</body></html>\n"
    )


_PATTERN = (
    '<svg class="defs" aria-hidden="true"><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path d="M0 3H6"></path></pattern></svg>\n'
)


def _head(page: Page) -> str:
    """Return the roll-up, when it holds, and the four figures that people ask for first."""
    summary = page.record["summary"]
    order = [name for name in WORST_FIRST if summary.get(name)]
    counts = ", ".join(f'<b class="{name}">{summary[name]:,} {_WORDS.get(name, name)}</b>' for name in order)
    total = page.total
    known_kg = (total.operational.value or 0) + (total.embodied.value or 0)
    is_part = total.emissions.value is None and total.operational.value is not None
    emissions = Figure(known_kg, known_kg, known_kg, "kgCO2e") if is_part else total.emissions
    part = f"<small>known part: {total.unknown:,} of {total.runs:,} runs unknown, never counted as zero</small>"
    tiles = (
        ("Runs", f'<span class="n">{total.runs:,}</span>', _aside(page)),
        ("Energy (IT, before PUE)", known(total.energy), "<small>sum of what is known</small>"),
        ("Emissions", figure(emissions, with_interval=True), part if is_part else ""),
        ("Embodied share", known(total.embodied), "<small>sum of what is known</small>"),
    )
    shown_tiles = "".join(f"<div><dt>{name}</dt><dd>{value}{note}</dd></div>" for name, value, note in tiles)
    return (
        f'<p class="rollup">{counts or "No verdict: no policy applies."}</p>\n'
        f'<p class="stamp">As of <time>{safe(page.record["as_of"] or "no known time")}</time> · digest '
        f"<code>{safe(page.record['digest'])}</code></p>\n"
        f'<dl class="tiles">{shown_tiles}</dl>\n'
    )


def _aside(page: Page) -> str:
    left = page.stored - page.total.runs
    return f"<small>{left:,} more stored, not counted</small>" if left else ""


def _verdicts(page: Page) -> str:
    verdicts, summary = page.record["verdicts"], page.record["summary"]
    parts = []
    for sort in WORST_FIRST[:-1]:
        found = [one for one in verdicts if one["verdict"] == sort]
        if not found:
            continue
        cards = [_card(one) for one in found[: page.most_rows]]
        parts.append(
            f"<h3>{badge(sort)} {summary[sort]:,}</h3>\n<div class='cards'>{''.join(cards[:MOST_CARDS])}</div>\n"
        )
        if rest := cards[MOST_CARDS:]:
            left = summary[sort] - len(cards)
            more = f'<p class="more">… and {left:,} more in verdicts.json.</p>' if left else ""
            body = f"<div class='cards'>{''.join(rest)}</div>{more}"
            parts.append(fold(f"{summary[sort] - MOST_CARDS:,} more {badge(sort)}", body))
    if not parts:
        parts.append('<p class="calm">Nothing needs attention.</p>')
    passed = [one for one in verdicts if one["verdict"] == "pass"]
    if passed:
        rows = ([safe(one["policy"]), safe(one["subject"]), safe(one["message"])] for one in passed[: page.most_rows])
        columns = ("Policy", "Subject", "What was found")
        body = table("Passing verdicts", columns, rows, more=summary["pass"] - page.most_rows)
        parts.append(fold(f"{summary['pass']:,} {badge('pass')}", body))
    return "".join(parts)


def _card(one: Row) -> str:
    """Return the card of a verdict: what, by how much, why, what to do, and where."""
    place = safe(one["where"]["file"] or "no file")
    line = "" if one["where"]["line"] is None else f":{one['where']['line']}"
    lines = []
    is_unknown = one["verdict"] == "unknown"
    if one["unit"] is not None:
        value = Figure(one["value"], one["low"], one["high"], one["unit"])
        # What an unknown budget states is the sum of its known runs, and of none of them is no figure at all.
        if value.value or (value.value is not None and not is_unknown):
            lines.append(("Known part" if is_unknown else "Value", f"{figure(value)} {interval(value)}"))
        lines.append(("Limit", figure(Figure(one["limit"], one["limit"], one["limit"], one["unit"]))))
    if one["reason"]:
        lines.append(("Why", f"{safe(reason(one['reason']).meaning)} <code>{safe(one['reason'])}</code>"))
    if one["mend"]:
        lines.append(("Mend", safe(one["mend"])))
    if words := would(one.get("would_pass") or (), one["subject"]):
        lines.append(("Would pass", safe(words)))
    lines.append(("Where", f"<code>{place}{line}</code>"))
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in lines)
    return (
        f'<article class="card {safe(one["verdict"])}"><p class="kicker">{badge(one["verdict"])} {safe(one["policy"])}'
        f" · {safe(one['enforcement'])}</p><h4>{safe(one['title'])}</h4>"
        f'<p class="subject">{safe(one["subject"])}</p><p>{safe(one["message"])}</p><dl>{listed}</dl></article>\n'
    )


def _budgets(page: Page) -> str:
    if not page.budgets:
        return '<p class="calm">No budget is set.</p>'
    drawn = [one for one in page.budgets if one.used is not None or one.verdict == "unknown"][: sections.MOST_DRAWN]
    keys = (("op", "used"), ("over", "used, over the limit"), ("unknown", "open, for a part is unknown"))
    marks = (("line", "interval"), ("warnline", "warning"), ("limitline", "limit"))
    picture = drawing(charts.budgets(drawn), "Share of each budget that is used", (*keys, *marks))
    rows = (
        [
            badge(one.verdict),
            name(one.subject, f"{one.policy} {one.title}"),
            safe(charts.used(one)),
            safe(shown(one.limit, one.unit)),
            safe(one.message),
        ]
        for one in page.budgets[: page.most_rows]
    )
    columns = ("Verdict", "Budget", "Used", "Limit", "What was found")
    more = len(page.budgets) - page.most_rows
    return picture + table("Budgets, the fullest first", columns, rows, numbers=(2, 3), more=more)
