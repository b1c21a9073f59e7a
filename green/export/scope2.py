"""GHG Protocol Scope 2 Guidance: both totals by year, location-based and market-based, and the instruments.

The guidance asks for both methods side by side (dual reporting, chapter 7) and for the instruments that the
market-based one rests on. The totals are of the whole store: a part of it is no report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.export import as_json, text_of, total

if TYPE_CHECKING:
    from green.export import Facts, Row


def render(facts: Facts) -> str:
    """Return both totals of every year, with their regions and what is unknown."""
    years = sorted({row["year"] for row in facts.scope2}, key=lambda year: (year is None, year or 0))
    return as_json(
        {
            "standard": "GHG Protocol Scope 2 Guidance",
            "tool": facts.tool,
            "ledger": {"events": facts.events, "head": facts.head},
            "years": [_year(year, [row for row in facts.scope2 if row["year"] == year]) for year in years],
            "instruments": [{key: _plain(value) for key, value in row.items()} for row in facts.instruments],
        }
    )


def _year(year: int | None, rows: list[Row]) -> dict[str, Any]:
    missing = sum(row["runs_unknown"] for row in rows)
    return {
        "year": year,
        "location_based_kgco2e": total(rows, "location_based_kgco2e"),
        "market_based_kgco2e": total(rows, "market_based_kgco2e"),
        "known_facility_energy_kwh": _known(rows, "known_facility_energy_kwh"),
        "runs": sum(row["runs"] for row in rows),
        "missing_because": f"{missing} runs have no location-based figure" if missing else None,
        "regions": [{key: value for key, value in row.items() if key != "year"} for row in rows],
    }


def _known(rows: list[Row], name: str) -> float | None:
    known = [row for row in rows if row[name] is not None]
    return total(known, name) if known else None


def _plain(value: Any) -> Any:  # noqa: ANN401 -- any value of DuckDB
    return value if value is None or isinstance(value, str | int | float | list) else text_of(value)
