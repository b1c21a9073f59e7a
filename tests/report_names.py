"""What the tests of the report are made of: records whose figures are easy, policies, names that mean harm."""

from __future__ import annotations

import json

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror="document.body.id=\'harmed\'">',
    "a\"b'c</title></svg></style></table></main>",
    "]]><!--",
    "line\nbreak\ttab",
    "rtl \u202e\u2066gnp.exe",
    "zero\u200bwidth &amp; &lt;b&gt; {{7*7}} ${7*7}",
    "x" * 500,
    "javascript:alert(1)",
    "</script><base href='https://example.org/'>",
)

POLICIES = """
apiVersion: green/v1
bundle: {id: test, version: 1.0.0}
policies:
- id: T-1
  title: A run stays under 50 kWh
  kind: limit
  metric: energy.facility
  limit: {max: "50 kWh"}
  because: a test
  mend: "train less <b>"
- id: T-2
  title: A team stays within 100 kgCO2e a quarter
  kind: budget
  group_by: [team]
  metric: carbon.total
  window: {calendar: quarter}
  limit: {max: "100 kgCO2e", warn_above: "80 %"}
  because: a test
  mend: wait for the next quarter
"""


def record(energy: str | None, pue: float | None = 1.2, team: str = "alpha", **more: object) -> str:
    """Return a run.yaml: ten hours at 500 gCO2e/kWh, and 1 kgCO2e of a device of 876 kg that lives a year."""
    site: dict[str, object] = {"region": "DE", "intensity": "500 gCO2e/kWh"}
    if pue is not None:
        site["pue"] = pue
    body: dict[str, object] = {
        "project": "one",
        "team": team,
        "kind": "training",
        "status": "completed",
        "started_at": "2026-03-01T08:00:00Z",
        "duration": "10 h",
        "site": site,
        "hardware": [{"device": "NVIDIA A100-SXM4-80GB", "embodied": "876 kgCO2e", "lifetime": "1 y"}],
        **more,
    }
    if energy is not None:
        body["energy"] = {"total": energy, "basis": "device"}
    return json.dumps(body)
