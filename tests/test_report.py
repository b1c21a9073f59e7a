"""The report: figures by hand, unknown said, names that stay names, the same bytes for the same store."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from green import report
from green.audit import store
from green.check import check
from green.config import ReportSettings
from green.errors import InputError
from green.output import charts, html, text
from green.output import json as as_json
from green.output.markup import clean, figure
from green.output.page import Figure, Page
from green.policy.load import load
from tests.core.helper import Work
from tests.report_names import EVIL, POLICIES, record

SETTINGS = ReportSettings(title="A <title> & more")
SVG = "{http://www.w3.org/2000/svg}"


def judged(work: Work) -> Work:
    """Take a working directory to its verdicts."""
    work.ledgered()
    policies = work.folder / "policies.yaml"
    policies.write_text(POLICIES)
    found = check(work.store, load(policies, shown="policies.yaml"), as_of="latest")
    (work.results / "verdicts.json").write_text(as_json.render(found.judgement))
    return work


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Four runs whose figures are arithmetic of the head, one of them without a PUE, and a broken log."""
    made = Work(tmp_path_factory.mktemp("report"))
    # over: 100 kWh x 1.2 = 120 kWh; x 500 g = 60 kg; embodied 876 kg x 10 h / 8760 h = 1 kg; together 61 kg.
    made.put("over/run.yaml", record(energy="100 kWh ± 10 %"))
    # small: 10 kWh x 1.2 x 500 g = 6 kg, and 1 kg embodied.
    made.put("small/run.yaml", record(energy="10 kWh ± 10 %"))
    made.put("nopue/run.yaml", record(energy="20 kWh", pue=None, team="beta"))
    made.put("broken/run.yaml", record(energy=None, team="beta"))
    made.put("broken/gpu.csv", "timestamp, name, power.draw [W]\n2026/03/01 08:00:00.000, A100, [N/A]\n")
    return judged(made)


@pytest.fixture(scope="module")
def page(work: Work) -> Page:
    return report.page(work.store, work.results, SETTINGS)


@pytest.fixture(scope="module")
def shown(page: Page) -> str:
    return html.render(page)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page on which every name was chosen by somebody who means harm."""
    made = Work(tmp_path_factory.mktemp("evil"))
    for index, name in enumerate(EVIL):
        made.put(f"e{index}/run.yaml", record(run_id=name, project=name, team=name, energy="100 kWh"))
    judged(made)
    return html.render(report.page(made.store, made.results, SETTINGS))


class Elements(HTMLParser):
    """What a browser would make of the page: its elements, and the text below each."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]


def pictures(source: str) -> list[ET.Element]:
    found = re.findall(r"<svg [^>]*role=\"img\".*?</svg>", source, re.DOTALL)
    return [ET.fromstring(one) for one in found]  # noqa: S314 -- our own picture, parsed to see that it is XML


def card(source: str, subject: str) -> str:
    found = [one for one in re.findall(r"<article.*?</article>", source, re.DOTALL) if f">{subject}<" in one]
    assert len(found) == 1, f"{len(found)} cards for {subject}"
    return found[0]


def test_figures_of_a_run_are_those_of_the_arithmetic(page: Page) -> None:
    run = next(run for run in page.runs if run.run_id == "over")
    assert (run.energy.value, run.energy.low, run.energy.high) == pytest.approx((100, 90, 110))
    assert run.facility.value == pytest.approx(120)
    assert run.operational.value == pytest.approx(60)
    assert run.embodied.value == pytest.approx(1)
    assert run.emissions.value == pytest.approx(61)


def test_card_of_a_broken_limit_says_value_limit_excess_mend_and_place(shown: str) -> None:
    found = card(shown, "over")
    assert "120 kWh is 70 kWh (140 %) over the limit of 50 kWh" in found
    assert "108 kWh to 132 kWh" in found
    assert "train less &lt;b&gt;" in found
    assert "over/run.yaml:1" in found


def test_unknown_is_said_with_its_reason_in_words_and_is_never_zero(shown: str) -> None:
    found = card(shown, "nopue")
    assert "no PUE is known for the site" in found
    assert "NO_PUE" in found
    assert "write pue below site:" in found
    row = next(row for row in re.findall(r"<tr>.*?</tr>", shown, re.DOTALL) if 'class="name">nopue<' in row)
    assert row.count("unknown <small>(NO_PUE)</small>") == 2  # at the facility, and emissions
    assert not re.search(r">0 (Wh|kWh|kgCO2e|gCO2e)", row)


def test_total_with_an_unknown_part_is_unknown_and_its_known_part_is_said_to_be_one(shown: str, page: Page) -> None:
    assert page.total.emissions.value is None
    assert (page.total.runs, page.total.unknown) == (4, 2)
    # 60 + 6 operational; four runs of 1 kg embodied
    assert page.total.operational.value == pytest.approx(66)
    assert page.total.embodied.value == pytest.approx(4)
    assert ">70 kgCO2e</span>" in shown
    assert "known part: 2 of 4 runs unknown, never counted as zero" in shown


def test_page_of_nothing_but_unknown_runs_shows_no_zero(tmp_path: Path) -> None:
    made = Work(tmp_path)
    made.put("a/run.yaml", json.dumps({"team": "t", "project": "p", "started_at": "2026-03-01T08:00:00Z"}))
    judged(made)
    source = html.render(report.page(made.store, made.results, SETTINGS))
    assert "unknown <small>(1 of 1 runs)</small>" in source
    assert not re.search(r">0 (Wh|kWh|gCO2e|kgCO2e)", source)
    assert "No emissions are known yet." in source


def test_project_of_which_nothing_is_known_is_drawn_as_unknown(page: Page) -> None:
    nothing = Figure(None, None, None, "kgCO2e")
    blank = dataclasses.replace(page.projects[0], unknown=4, operational=nothing, embodied=nothing, emissions=nothing)
    (picture,) = pictures(charts.stacked([page.projects[0], blank]))
    assert "4 unknown" in [part.text for part in picture.iter(f"{SVG}text")]


def test_budget_is_in_percent_of_its_limit_with_its_warning(page: Page) -> None:
    alpha = next(one for one in page.budgets if one.subject == "team=alpha")
    assert alpha.used == pytest.approx(68)  # 61 + 7 of 100 kgCO2e
    assert alpha.warn == pytest.approx(80)
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low < 68 < alpha.high


def test_warning_written_as_a_quantity_is_a_share_of_the_limit() -> None:
    assert report._warning("0.6 tCO2e", 1200.0, "kgCO2e") == pytest.approx(50)  # noqa: SLF001 -- one line of arithmetic
    assert report._warning(None, 1.0, "kWh") is None  # noqa: SLF001 -- as above
    assert report._warning("80 %", 0.0, "kWh") is None  # noqa: SLF001 -- a limit of zero has no share


def test_sections_stand_in_order_with_verdicts_first(shown: str) -> None:
    found = re.findall(r"<h2[^>]*>([^<]*)</h2>", shown)
    assert found == [
        "Verdicts",
        "Budgets",
        "Runs",
        "Projects, teams, months",
        "Operational and embodied",
        "Data quality",
        "How the numbers were made",
    ]


def test_rollup_names_every_sort_of_verdict_that_there_is(shown: str) -> None:
    # the limit: over fails, nopue and broken are unknown, small passes; the budget: alpha passes, beta is unknown
    rollup = re.search(r'<p class="rollup">(.*?)</p>', shown)
    assert rollup is not None
    assert re.sub("<[^>]*>", "", rollup[1]) == "1 failing, 3 unknown, 2 passing"


def test_passes_are_folded(shown: str) -> None:
    fold = re.search(r"<details><summary>2 <span class=\"badge pass\">.*?</details>", shown, re.DOTALL)
    assert fold is not None
    assert "small" in fold[0]


def test_what_was_not_read_is_listed_with_file_line_and_reason(shown: str) -> None:
    assert "broken/gpu.csv:2</code>" in shown
    assert "UNREADABLE_POWER" in shown
    assert "[N/A]" in shown


def test_page_says_how_to_check_it(shown: str, work: Work) -> None:
    (head,) = work.query("SELECT hash, seq FROM ledger ORDER BY seq DESC LIMIT 1")
    assert head["hash"] in shown
    assert "green verify" in shown
    assert "green explain RUN" in shown
    assert "ISO/IEC 21031" in shown


def test_same_store_gives_the_same_bytes(work: Work, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "report.html", tmp_path / "b.html"
    report.write(work.store, work.results, first, SETTINGS)
    report.write(work.store, work.results, second, SETTINGS)
    assert first.read_bytes() == second.read_bytes()
    assert [file.name for file in first.parent.iterdir()] == ["report.html"]  # no part file is left


def test_page_asks_for_nothing_and_runs_nothing(shown: str, evil: str) -> None:
    for source in (shown, evil):
        seen = Elements(source)
        assert not {"script", "link", "iframe", "object", "embed", "img", "form", "base", "image", "use"} & set(
            seen.names
        )
        for tag, attributes in seen.tags:
            assert not [key for key in attributes if key.startswith("on")], tag
            for key in ("src", "srcset", "href", "xlink:href", "action", "background", "data"):
                link = attributes.get(key)
                assert link is None or link.startswith("#") or tag == "a", f"{tag} {key}={link}"
        assert "default-src 'none'" in source
        assert set(re.findall(r"url\(([^)]*)\)", source)) == {'"#hatch"'}
        assert "@import" not in source


@pytest.mark.parametrize("name", EVIL)
def test_evil_name_is_text_and_nothing_else(evil: str, name: str) -> None:
    texts = Elements(evil).texts
    assert any(clean(name) in one for one in texts)


def test_evil_names_change_no_element_of_the_page(evil: str) -> None:
    seen = Elements(evil)
    # were a name to close an element, the elements after it would not be these
    assert seen.names.count("h1") == 1
    assert seen.names.count("main") == 1
    assert seen.names.count("section") == 7
    assert seen.names[-1] != "script"
    assert not [one for one in "\u202e\u2066\u200b\x00" if one in evil]


def test_every_picture_is_xml_has_a_title_and_shows_names_as_text(shown: str, evil: str) -> None:
    for source in (shown, evil):
        found = pictures(source)
        assert len(found) == 3
        for one in found:
            assert one[0].tag == f"{SVG}title"
            assert one[0].text
            assert not [part for part in one.iter() if part.get("id")]  # an id may differ between two runs
    words = "".join("".join(one.itertext()) for one in pictures(evil))
    assert "<script>alert(1)</script>"[:14] in words


def test_picture_hatches_what_is_unknown(shown: str) -> None:
    runs = pictures(shown)[1]
    hatched = [part for part in runs.iter() if part.get("fill") == charts.UNKNOWN]
    assert len(hatched) == 3  # emissions of two runs, and the energy of one
    texts = [part.text for part in runs.iter(f"{SVG}text")]
    assert "unknown (NO_PUE)" in texts
    assert "61 kgCO2e" in texts


def test_every_colour_of_a_picture_has_its_tone_for_light_and_dark() -> None:
    style = html.STYLE.read_text()
    for color in (charts.ENERGY, charts.OPERATIONAL, charts.EMBODIED, charts.OVER, charts.UNKNOWN, charts.TRACK):
        assert f'[fill="{color}"]' in style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_without_runs_nothing_is_drawn(page: Page) -> None:
    empty = dataclasses.replace(page, runs=[], projects=[], budgets=[], project_months=[], team_months=[])
    source = html.render(empty)
    assert "<figure>" not in source
    assert "No budget is set." in source
    assert "No emissions are known yet." in source


def test_every_table_has_a_caption_and_headings_skip_no_level(shown: str) -> None:
    assert shown.count("<table>") == shown.count("<caption>") > 5
    levels = [int(level) for level in re.findall(r"<h([1-6])", shown)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_no_more_runs_than_wanted_are_listed_and_the_rest_is_counted(work: Work) -> None:
    source = html.render(report.page(work.store, work.results, ReportSettings(most_runs=1)))
    assert "… and 3 more in the store." in source
    assert 'class="name">over<' in source
    assert 'class="name">small<' not in source


def test_long_table_is_folded_after_its_first_rows(page: Page) -> None:
    source = html.render(dataclasses.replace(page, runs=page.runs * 10))
    assert "28 more rows" in source  # of forty, twelve are open


def test_link_of_a_factor_is_followed_to_the_web_only(page: Page) -> None:
    row = {
        **dict.fromkeys(("factor_id", "quantity", "subject", "unit", "source", "licence"), "x"),
        **dict.fromkeys(("low", "high", "valid_from", "valid_to"), None),
        "value": 1.0,
    }
    urls = ["javascript:alert(1)", 'https://example.org/"><script>', None]
    source = html.render(dataclasses.replace(page, factors=[{**row, "url": url} for url in urls]))
    links = [attributes["href"] for tag, attributes in Elements(source).tags if tag == "a"]
    assert [link for link in links if not str(link).startswith("#")] == ['https://example.org/"><script>']


def test_exact_value_stands_behind_the_rounded_one() -> None:
    shown = figure(Figure(1234.5678, 1200.0, None, "kWh"), with_interval=True)
    assert 'title="1234.5678 kWh, from 1200.0 to no bound"' in shown
    assert ">1.23 MWh<" in shown
    assert "1.2 MWh to no upper bound" in shown


def test_point_shows_no_interval() -> None:
    assert "interval" not in figure(Figure(5.0, 5.0, 5.0, "kWh"), with_interval=True)


def test_rejects_are_read_back_and_their_absence_is_no_error(work: Work, tmp_path: Path) -> None:
    (one,) = report.rejected(work.results)
    assert (one["file"], one["line"], one["reason"]) == ("broken/gpu.csv", 2, "UNREADABLE_POWER")
    assert report.rejected(tmp_path) == []


def test_text_of_a_record_lists_rejects_before_the_summary(page: Page) -> None:
    shown = text.render_record(page.record, page.rejects, is_terminal=False).splitlines()
    assert shown[-3] == "Rejected:"
    assert shown[-2].split()[:2] == ["broken/gpu.csv:2", "UNREADABLE_POWER"]
    assert shown[-1].startswith("1 fail, 3 unknown, 2 pass")


def test_screen_gets_the_first_rejects_and_a_pipe_all(page: Page) -> None:
    many = [{**page.rejects[0], "line": line, "detail": f"cell {line}"} for line in range(1, 31)]
    screen = text.render_record(page.record, many, is_terminal=True, width=100)
    assert "and 10 more: see results/rejects.parquet" in screen
    assert "broken/gpu.csv:30" not in screen
    assert "broken/gpu.csv:30" in text.render_record(page.record, many, is_terminal=False)


@pytest.mark.parametrize("content", [None, "", "{", '{"as_of":'])
def test_missing_or_damaged_verdicts_are_an_error_of_input(work: Work, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "verdicts.json").write_text(content)
    with pytest.raises(InputError, match="verdicts"):
        report.page(work.store, tmp_path, SETTINGS)


def test_neighbouring_rejects_of_one_reason_stand_in_one_line(page: Page) -> None:
    many = [{"file": "a.csv", "line": line, "lines": 1, "reason": "R", "detail": "d"} for line in range(2, 62)]
    other = {"file": "b.csv", "line": None, "lines": 1, "reason": "R", "detail": "d"}
    assert "a.csv:2 (60 lines)  R  d\n  b.csv  R  d\n" in text.render_record(page.record, [*many, other])


def test_sums_of_the_page_are_those_of_the_views(work: Work, page: Page) -> None:
    with store.reader(work.store) as con:
        projects = con.execute("SELECT project, runs, emissions_kgco2e, known_energy_kwh FROM by_project").fetchall()
        teams = con.execute("SELECT team, month, runs, emissions_kgco2e FROM by_team_month").fetchall()
    assert projects
    assert teams
    assert projects == [(*one.names, one.runs, one.emissions.value, one.energy.value) for one in page.projects]
    assert teams == [(*one.names, one.runs, one.emissions.value) for one in page.team_months]
