"""`green explain RUN [METRIC]`: a number unfolded to formula, inputs, factor, source and log file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from green.cli import Common, app
from green.cli.runner import say, show, show_json, store_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STORE_EXIT = 5
Row = dict[str, Any]
Tree = tuple[str, list["Tree"]]  # a line, and the lines below it


@app.command(
    epilog="Example: green explain bert-large-07 carbon.total\n\n"
    "Exit: 0, 3 no such run or metric, 5 there is no store, or a figure does not agree with its inputs."
)
def explain(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="run_id, as `runs` has it")],
    metric: Annotated[str | None, typer.Argument(help="as in policies (carbon.total), or a column")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Unfold a run's figures: value, formula with the figures put in, factors, sources, files, ledger event."""
    common: Common = context.obj
    from green import explain as explaining  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.audit import store  # noqa: PLC0415 -- likewise

    with store.reader(store_of(common)) as con:
        found = explaining.explain(con, run, metric)
    if as_json:
        show_json(found)
    else:
        show("\n".join(_drawn(_run(found))))
    if not found["agrees"]:
        say("error: a stored figure does not agree with its stored inputs\nmend: `green verify` tells what was changed")
        raise typer.Exit(STORE_EXIT)


def _drawn(tree: Tree) -> Iterator[str]:
    """Draw a tree; every line is made harmless here, for names in it may hold anything."""
    from green.output import plain  # noqa: PLC0415 -- beside its one use

    yield plain(tree[0], 1000)
    for index, part in enumerate(tree[1]):
        is_last = index == len(tree[1]) - 1
        first, later = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        for number, line in enumerate(_drawn(part)):
            yield (later if number else first) + line


def _run(found: Row) -> Tree:
    said = [found[key] for key in ("kind", "status", "project", "team", "model", "region") if found[key]]
    times = f"{found['started_at'] or 'unknown'} to {found['ended_at'] or 'unknown'}"
    head = f"run {found['run_id']} ({', '.join([*said, times])})"
    lines: list[Tree] = []
    if found["state"] != "current" or not found["is_counted"]:
        counted = "counts" if found["is_counted"] else "does not count"
        copy = f"; its log is a copy of {found['duplicate_of']}" if found["duplicate_of"] else ""
        lines.append((f"{found['state']}: {counted} in budgets{copy}", []))
    lines += [_words("error", one) for one in found["error"]]
    lines += [_words("flag", one) for one in found["flags"]]
    lines += [_figure(one) for one in found["figures"]]
    lines.append(("read from", [(_file(one), []) for one in found["files"]]))
    event = found["event"]
    lines.append(
        (
            f"ledger event {event['seq']}, recorded {event['recorded_at']} by {event['actor']}, hash {event['hash']}",
            [(_superseded(one), []) for one in found["history"]],
        )
    )
    return head, lines


def _superseded(one: Row) -> str:
    """Say of an earlier assessment what took its place, what differs, and why, where somebody said so."""
    differs = f"other {', '.join(one['superseded_because'])}" if one["superseded_because"] else "other facts"
    why = one["superseded_reason"] or "nobody said why (`green reason`)"
    return f"event {one['seq']} of {one['recorded_at']} was superseded by {one['superseded_by']} ({differs}): {why}"


def _file(one: Row) -> str:
    return f"{one['file']} ({one['reader'] or 'not read'}, {one['bytes']} B) sha256 {one['sha256']}"


def _words(lead: str, one: Row) -> Tree:
    below: list[Tree] = [(f"missing: {', '.join(one['missing'])}", [])] if one.get("missing") else []
    return f"{lead} {one['code']}: {one['meaning']}", [*below, *([(f"mend: {one['mend']}", [])] if one["mend"] else [])]


def _figure(one: Row) -> Tree:
    head = f"{one['metric']}: {_interval(one)}"
    if "formula" not in one:
        return f"{head} (above)", []
    below = [_words("unknown", why) for why in one["unknown"]]
    below += [(f"DOES NOT AGREE: {text}", []) for text in one["disagreements"]]
    if one["formula"] is not None:
        formula = one["formula"]
        terms: list[Tree] = [(_term(term), []) for term in one["terms"]]
        below.append((f"formula {formula['name']} = {formula['text']}", [(formula["clause"], []), *terms]))
    if one.get("reported_kgco2e") is not None:
        ratio = f", {one['reported_kgco2e'] / one['value']:.0%} of ours" if one["value"] else ""
        below.append((f"the log itself reports {_number(one['reported_kgco2e'])} kgCO2e{ratio}; never counted", []))
    if one["not_recomputed"]:
        below.append(
            (f"not recomputed: {' and '.join(one['not_recomputed'])}, whose inputs the store does not keep", [])
        )
    return head, [*below, *map(_input, one["inputs"])]


def _input(one: Row) -> Tree:
    drawn = {"figure": _figure, "energy": _answer, "device": _device, "pue": _rate, "intensity": _rate, "rate": _rate}
    drawn["instrument"] = _instrument
    if one["input"] in drawn:
        return drawn[one["input"]](one)
    return f"from {one['started_at'] or 'unknown'} to {one['ended_at'] or 'unknown'}, in {one['where']}", []


def _answer(one: Row) -> Tree:
    mark = "counted" if one["is_counted"] else "not counted"
    interval = _interval({**one, "value": one["energy_kwh"], "unit": "kWh"})
    origin = f"{one['method'] or 'not read'}, from {one['origin']}, {'+'.join(one['covers'])}, at the {one['basis']}"
    below: list[Tree] = [(f"why: {one['why']}", [])]
    if one["coverage_ratio"] is not None:
        text = f"covered {_number(one['covered_s'])} s, uncovered {_number(one['uncovered_s'])} s"
        text += f": {one['coverage_ratio']:.1%}"
        counts = [f"{one[key]} {key}" for key in ("gaps", "resets", "duplicates") if one[key]]
        below.append((", ".join([text, *counts]), []))
    if one["formula"]:
        below.append((f"formula {one['formula']}", []))
    below += [_factor(row) for row in one["factors"]]
    return f"{mark}: {one['answer']} {interval} ({origin}), {one['where']}", below


def _rate(one: Row) -> Tree:
    name = one.get("name", one["input"])
    if one["value"] is None and not one.get("factors"):
        return f"{name}: unknown", [(f"mend: {one['mend']}", [])] if one.get("mend") else []
    where = f" ({one['origin']}: {one['where']})" if one.get("where") else ""
    aged = f", {one['age_y']} years older than the run" if one.get("age_y") else ""
    return f"{name}: {_interval({'low': None, 'high': None, **one})}{aged}{where}", list(
        map(_factor, one.get("factors", ()))
    )


def _instrument(one: Row) -> Tree:
    market = f"site {one['site']}" if one["site"] else f"zone {one['zone']}"
    vintage = f"from {one['from_at'][:10]} until {one['to_at'][:10]}"
    head = f"instrument {one['instrument_id']} ({one['kind']}, {market}, {vintage})"
    covers = f"covers {_number(one['allocated_kwh'])} of {_number(one['drawn_kwh'])} kWh in its market and vintage"
    grams = f"{_number(one['intensity_gco2e_per_kwh'])} gCO2e/kWh, {_number(one['quantity_kwh'])} kWh bought"
    return head, [(covers, []), (grams, []), (f"source: {one['source']}", [])]


def _device(one: Row) -> Tree:
    head = f"{one['device_id']} {one['name'] or 'no name'} ({one['component']}): {_interval({**one, 'unit': 'kgCO2e'})}"
    below = [_words("unknown", why) for why in one["unknown"]]
    if one["nearest"]:
        below.append((f"nearest names: {', '.join(one['nearest'])}", []))
    below += [(f"DOES NOT AGREE: {text}", []) for text in one["disagreements"]]
    given = one["arguments"]
    parts = (
        f"footprint {_number(given['embodied_total_kgco2e'])} kgCO2e ({one['footprint_origin'] or 'unknown'})",
        f"{_number(one['device_hours_h'])} device-hours",
        f"lifetime {_number(given['lifetime_h'])} h ({one['lifetime_origin'] or 'unknown'})",
        f"utilisation {_number(given['utilisation'])}, share {_number(given['share'])}",
    )
    below.append((", ".join(parts), []))
    if one["inside"]:
        left = f"{_number(one['device_hours_h'])} device-hours stand outside"
        below.append((f"of these {_number(one['count'])} what {one['inside']} holds is charged there; {left}", []))
    if one["machine"]:
        below.append((f"machine {one['machine']}: the view fleet sums what all its runs are charged", []))
    if one["life_cycle_stages"]:
        below.append((f"life-cycle stages: {one['life_cycle_stages'].replace('+', ', ')}", []))
    below += [_part(part) for part in one["parts"]]
    if one["is_capped"]:
        below.append(("capped: the run outlives the device, which is charged whole and no more", []))
    return f"{head}, {one['where']}", [*below, *map(_factor, one["factors"])]


def _part(one: Row) -> Tree:
    """Draw a part: its sum, its formula, and each term as it would be keyed into a calculator."""
    named = f" {one['device']}" if one["device"] else ""
    has = ", ".join(f"{key} {value}" for key, value in one["attributes"].items())
    formula = one["formula"]
    below: list[Tree] = [(f"lacks: {', '.join(one['lacks'])}", [])] if one["lacks"] else []
    if one["terms"]:
        below.append((f"formula {formula['name']} = {formula['text']}", [(formula["clause"], [])]))
    for term in one["terms"]:
        per = "" if term["coefficient_unit"] == "1" else f" {term['coefficient_unit']}"
        amount = f"{_number(term['amount'])} {term['amount_unit']}".removesuffix(" 1")
        stage = f", {term['life_cycle_stage']}" if term["life_cycle_stage"] else ""
        product = _interval({**term, "unit": "kgCO2e"})
        text = f"{term['term']}: {amount} x {_number(term['coefficient'])}{per} = {product}{stage}"
        below.append((text, list(map(_factor, term["factors"]))))
    head = f"part {_number(one['count'])} x {one['part']}{named}{f' ({has})' if has else ''}: {_interval(one)}"
    return head, [*below, *map(_factor, one["factors"])]


def _factor(row: Row) -> Tree:
    period = f", {row['valid_from'][:4]}" if row["valid_from"] else ""
    below: list[Tree] = [(text, []) for text in _lines(row)]
    return f"factor {row['factor_id']}: {_interval(row)} ({row['method']}{period})", below


def _lines(row: Row) -> Iterable[str]:
    yield f"source: {row['source']}"
    yield f"{row['url'] or 'no address'} (licence: {row['licence']}; ledger event {row['event']})"


def _term(term: Row) -> str:
    given = ", ".join(_number(value) for value in term["arguments"].values())
    return f"{term['call']}({given}) = {_number(term['result'])}"


def _interval(one: Row) -> str:
    unit = "" if one["unit"] in {"", "1"} else f" {one['unit']}"
    if one["value"] is None:
        high = one.get("high")
        return "unknown" if high is None else f"unknown, at most {_number(high)}{unit}"
    if one["low"] is None and one["high"] is None:
        return f"{_number(one['value'])}{unit}"
    return f"{_number(one['value'])} [{_number(one['low'])}, {_number(one['high'])}]{unit}"


def _number(value: float | str | None) -> str:
    """Write a number so that a person can follow the arithmetic: six digits that count."""
    if value is None:
        return "unknown"
    return f"{value:.6g}" if isinstance(value, int | float) else repr(value) if value else "''"
