"""A bug of ours must not look like a broken policy."""

from __future__ import annotations

import pytest

from green import cli


def test_a_bug_ends_70_with_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(cli, "_register", lambda: None)
    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 70
    assert "ZeroDivisionError: ours" in capsys.readouterr().err
