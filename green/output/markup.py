"""The small parts of the page: escaped text, figures with their exact value, tables that keep their place."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from green.units import format_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from green.output.page import Figure

MOST_OPEN_ROWS, FIRST_ROWS = 18, 12
MOST_CHARS = 600  # a name has at most 500; what is longer is a mistake, and cut


def clean(text: str) -> str:
    """Spell control, bidirectional and other invisible characters out; line breaks become spaces."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _spelled(char) for char in text)
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"


def _spelled(char: str) -> str:
    return " " if char in "\r\n\t" else char.encode("unicode_escape").decode("ascii")


def safe(text: object) -> str:
    """Return text that HTML shows and never obeys."""
    return "" if text is None else escape(clean(str(text)))


@lru_cache(maxsize=8192)
def shown(value: float | None, unit: str | None) -> str:
    """Write a quantity for people."""
    return "unknown" if value is None else format_quantity(value, unit or "1")


def figure(one: Figure, *, with_interval: bool = False) -> str:
    """Return a figure; its exact value and interval are in the title, and unknown says why."""
    if one.value is None:
        why = f" <small>({safe(one.reason)})</small>" if one.reason else ""
        return f'<span class="unknown">unknown{why}</span>'
    unit = safe(one.unit)
    exact = f"{one.value!r} {unit}"
    if one.low is not None or one.high is not None:
        exact += f", from {one.low!r} to {one.high!r}".replace("None", "no bound")
    text = f'<span class="n" title="{exact}">{safe(shown(one.value, one.unit))}</span>'
    return f"{text} {interval(one)}" if with_interval else text


def known(one: Figure) -> str:
    """Return a sum of known parts; with no part known there is no sum, and no zero either."""
    return figure(one) if one.value is not None else '<span class="unknown">unknown</span>'


def interval(one: Figure) -> str:
    """Return the interval of a figure, small; nothing where it is a point."""
    if one.value is None or (one.low == one.value == one.high):
        return ""
    low = "no lower bound" if one.low is None else shown(one.low, one.unit)
    high = "no upper bound" if one.high is None else shown(one.high, one.unit)
    return f'<small class="interval">{safe(low)} to {safe(high)}</small>'


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    more: int = 0,
) -> str:
    """Return a table of ready cells; `numbers` are the columns that stand right, `more` what is left out.

    A long one shows its first rows; the others are there for who opens them.
    """
    listed = list(rows)
    rest = f'<p class="more">… and {more:,} more in the store.</p>' if more > 0 else ""
    if len(listed) <= MOST_OPEN_ROWS:
        return _table(caption, columns, listed, numbers) + rest
    first, others = listed[:FIRST_ROWS], listed[FIRST_ROWS:]
    folded = _table(f"{caption}: continued", columns, others, numbers) + rest
    return _table(caption, columns, first, numbers) + fold(f"{len(others):,} more rows", folded)


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> str:
    right = dict.fromkeys(numbers, ' class="r"')
    head = "".join(f'<th scope="col"{right.get(index, "")}>{safe(name)}</th>' for index, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{right.get(index, '')}>{cell}</td>" for index, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(caption)}"><table>'
        f"<caption>{safe(caption)}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def name(text: object, aside: object = None, otherwise: str = "") -> str:
    """Return a name that somebody chose, however long, with a small remark below it."""
    below = f"<small>{safe(aside)}</small>" if aside else ""
    if text is None:
        return f'<span class="unknown">{otherwise}</span>{below}'
    return f'<span class="name">{safe(text)}</span>{below}'


def badge(verdict: str) -> str:
    """Return the word of a verdict in its colour."""
    return f'<span class="badge {safe(verdict)}">{safe(verdict.replace("_", " "))}</span>'


def fold(summary: str, body: str) -> str:
    """Return what is shown only where somebody opens it."""
    return f"<details><summary>{summary}</summary>{body}</details>"


def section(ident: str, title: str, body: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{ident}" aria-labelledby="{ident}-h"><h2 id="{ident}-h">{title}</h2>\n{body}</section>\n'


def drawing(svg: str, caption: str, keys: Sequence[tuple[str, str]]) -> str:
    """Return a picture with its caption and the meaning of its colours; nothing where nothing was drawn."""
    if not svg:
        return ""
    legend = " ".join(f'<span><i class="{name}"></i>{text}</span>' for name, text in keys)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="{caption}">{svg}</div>'
        f'<figcaption>{caption}. <span class="legend">{legend}</span></figcaption></figure>\n'
    )
