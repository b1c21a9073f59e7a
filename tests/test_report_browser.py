"""The report in a real browser: it asks the network for nothing, nothing runs, and it fits a narrow screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from green import report
from green.check import check
from green.config import ReportSettings
from green.output import json as as_json
from green.policy.load import load
from tests.core.helper import Work
from tests.report_names import EVIL, POLICIES, record

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever is asked for, nothing leaves this machine
)
NARROW_PX = 390


@dataclass
class Opened:
    """What a browser made of a page: its elements, the addresses it asked for, what it complained about."""

    dom: str
    asked: set[str]
    console: list[str]


def opened(page: Path, folder: Path) -> Opened:
    """Open a page as a reader does, and log every request."""
    log = folder / f"{page.stem}.net.json"
    done = subprocess.run(
        [
            str(BROWSER),
            *QUIET,
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--virtual-time-budget=2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    events = json.loads(log.read_text())["events"]
    # Requests that no page caused (the browser asks for the time, for updates) have no origin.
    asked = {
        event["params"]["url"]
        for event in events
        if event.get("params", {}).get("initiator", "not an origin") != "not an origin"
    }
    lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Opened(done.stdout, asked, lines)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with harmless and with evil names."""
    if BROWSER is None:
        if os.environ.get("GREEN_REQUIRE_BROWSER") == "1":
            pytest.fail(f"GREEN_REQUIRE_BROWSER=1, and none of {', '.join(NAMES)} is installed")
        pytest.skip(f"none of {', '.join(NAMES)} is installed; GREEN_REQUIRE_BROWSER=1 makes this a failure")
    work = Work(tmp_path_factory.mktemp("browser"))
    work.put("over/run.yaml", record(energy="100 kWh ± 10 %"))
    work.put("nopue/run.yaml", record(energy="20 kWh", pue=None))
    for index, name in enumerate(EVIL):
        work.put(f"e{index}/run.yaml", record(run_id=name, project=name, team=name, energy="100 kWh"))
    work.ledgered()
    policies = work.folder / "policies.yaml"
    policies.write_text(POLICIES)
    judgement = check(work.store, load(policies, shown="policies.yaml"), as_of="latest").judgement
    (work.results / "verdicts.json").write_text(as_json.render(judgement))
    out = work.folder / "report.html"
    report.write(work.store, work.results, out, ReportSettings())
    return out


@pytest.fixture(scope="module")
def seen(page: Path) -> Opened:
    return opened(page, page.parent)


def test_page_asks_the_network_for_nothing(seen: Opened) -> None:
    assert seen.asked == set()


def test_browser_has_nothing_to_complain_about(seen: Opened) -> None:
    assert seen.console == []


def test_a_request_would_be_seen(tmp_path: Path, page: Path) -> None:
    """Without this, the test above could not fail."""
    bad = tmp_path / "bad.html"
    font = "https://fonts.googleapis.com/css?family=x"
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    text = policy.sub("", page.read_text()).replace("</h1>", f"</h1><img src='{font}'>", 1)
    bad.write_text(text)
    assert opened(bad, tmp_path).asked == {font}


def test_main_headings_are_there_and_no_name_became_code(seen: Opened) -> None:
    found = re.findall(r"<h2[^>]*>([^<]*)</h2>", seen.dom)
    assert found[:3] == ["Verdicts", "Budgets", "Runs"]
    assert len(found) == 7
    assert not re.search(r"<(script|img|base|iframe)\b", seen.dom)
    assert "<body>" in seen.dom  # an attack would have given it an id


def test_page_is_no_wider_than_a_narrow_screen(page: Path, tmp_path: Path) -> None:
    """A copy that may run a script tells its width to the page around it."""
    tell = "<script>parent.postMessage(document.documentElement.scrollWidth, '*')</script></body>"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    (tmp_path / "inner.html").write_text(text.replace("</body>", tell))
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<!doctype html><script>onmessage = event => document.body.dataset.width = event.data</script><body>"
        f"<iframe src='inner.html' width={NARROW_PX} height=800 style='border:0'></iframe></body>"
    )
    width = re.search(r'data-width="(\d+)"', opened(outer, tmp_path).dom)
    assert width is not None
    assert int(width[1]) <= NARROW_PX
