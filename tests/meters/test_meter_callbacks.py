"""Callbacks of trainers, called as the trainers call them, by small classes in their place."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from test_meter_session import SENSORS, events, rig

if TYPE_CHECKING:
    from test_loop_processes import Rig

__all__ = ["rig"]
OPTIONS = {"run_id": "r", "sensors": SENSORS, "quiet": True}


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(members)
    module.__spec__ = SimpleNamespace(name=name, submodule_search_locations=None)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, name, module)


class Base:
    """A callback that does nothing."""


def lightning(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    if name == "lightning.pytorch":
        stand_in(monkeypatch, "lightning")
    stand_in(monkeypatch, name, Callback=Base)
    monkeypatch.delitem(sys.modules, "green.callbacks.lightning", raising=False)
    return import_module("green.callbacks.lightning").GreenMeter


@pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_trainer_is_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    callback = lightning(monkeypatch, name)(units=lambda batch: {"samples": len(batch)}, **OPTIONS)
    assert isinstance(callback, Base)
    trainer = SimpleNamespace(is_global_zero=True, current_epoch=0)
    callback.setup(trainer, None, "fit")
    callback.on_validation_start(trainer, None)  # the sanity check before the training
    callback.on_validation_end(trainer, None)
    for epoch in range(2):
        trainer.current_epoch = epoch
        callback.on_train_epoch_start(trainer, None)
        callback.on_train_batch_end(trainer, None, None, [1, 2, 3], 0)
    callback.on_train_end(trainer, None)
    callback.teardown(trainer, None, "fit")
    callback.teardown(trainer, None, "fit")
    told = [one.get("name") or one.get("number") or one.get("samples") for one in events(rig)]
    assert told == ["validation", "validation", 1, "train", 3, 2, 3, "train"]
    assert rig.read().runs[0].units == {"steps": 2.0, "samples": 6.0}
    assert rig.records()[-1]["status"] == "completed"


def test_lightning_trainer_that_raises_has_failed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    callback = lightning(monkeypatch, "pytorch_lightning")(**OPTIONS)
    trainer = SimpleNamespace(is_global_zero=False, current_epoch=0)
    callback.setup(trainer, None, "fit")
    callback.on_train_epoch_start(trainer, None)
    callback.on_train_batch_end(trainer, None, None, [1], 0)
    callback.on_exception(trainer, None, ValueError("x"))
    callback.teardown(trainer, None, "fit")
    assert rig.records()[-1]["status"] == "failed"
    assert [one["edge"] for one in events(rig)] == ["begin", "end"]  # rank 0 counts, the others do not


def transformers(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_in(monkeypatch, "transformers", TrainerCallback=Base)
    monkeypatch.delitem(sys.modules, "green.callbacks.transformers", raising=False)
    return import_module("green.callbacks.transformers").GreenMeter


def test_transformers_trainer_is_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    callback = transformers(monkeypatch)(**OPTIONS)
    state = SimpleNamespace(is_world_process_zero=True, epoch=0.0, num_input_tokens_seen=1000)
    callback.on_train_begin(None, state, None, model=None)
    for epoch in (0.0, 1.0):
        state.epoch = epoch
        callback.on_epoch_begin(None, state, None)
        state.num_input_tokens_seen += 512
        callback.on_step_end(None, state, None)
        for _ in range(3):
            callback.on_prediction_step(None, state, None)
        callback.on_evaluate(None, state, None, metrics={})
    callback.on_train_end(None, state, None)
    told = [one.get("name") or one.get("number") or one.get("tokens") for one in events(rig)]
    assert told == ["train", 1, 512, *["evaluation"] * 2, 2, 512, *["evaluation"] * 2, "train"]
    assert rig.read().runs[0].units == {
        "steps": 2.0,
        "tokens": 1024.0,
    }  # those before the checkpoint are not of this run
    assert rig.records()[-1]["status"] == "completed"


def test_training_that_raises_without_an_end_has_failed(rig: Rig) -> None:
    code = (
        "import sys, types\n"
        "module = sys.modules['transformers'] = types.ModuleType('transformers')\n"
        "module.TrainerCallback = object\n"
        "from green.callbacks.transformers import GreenMeter\n"
        f"c = GreenMeter(**{OPTIONS!r})\n"
        "c.on_train_begin(None, types.SimpleNamespace(is_world_process_zero=True), None)\nraise ValueError('x')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env=rig.environ(), cwd=rig.folder, check=False, capture_output=True
    )
    assert ended.returncode == 1
    assert rig.records()[-1]["status"] == "failed"


def test_callbacks_load_nothing_of_the_meter_before_they_are_asked_for() -> None:
    code = "import sys, green.callbacks; print('green.meters' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path.cwd())
    assert ended.stdout == "False\n"
