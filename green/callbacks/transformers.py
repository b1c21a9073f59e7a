"""Meter what a Trainer of Hugging Face Transformers does: `Trainer(callbacks=[GreenMeter(project="nlp")])`."""

# ruff: noqa: ANN401 -- the arguments are of a package that need not be installed

from __future__ import annotations

from importlib import import_module
from typing import Any

from green.callbacks.told import Told

_Callback: Any = import_module("transformers").TrainerCallback


class GreenMeter(_Callback):  # type: ignore[misc]  # a class of a package that need not be installed
    """Each process has a meter, or joins the one of `green meter`; the first process counts steps and tokens."""

    def __init__(self, **options: Any) -> None:
        """Take the options of `green.meter`."""
        super().__init__()
        self._told = Told(options)
        self._tokens = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Begin before the first step; a training that goes on from a checkpoint has seen tokens already."""
        del args, control, more
        self._told.begin()
        self._told.begin_phase("train")
        self._tokens = _tokens(state)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Tell the epoch, counted from 1."""
        del args, control, more
        if self._told.meter is not None and state.is_world_process_zero:
            self._told.meter.epoch(int(state.epoch or 0) + 1)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Count a step, and the tokens where `include_num_input_tokens_seen` lets the trainer count them."""
        del args, control, more
        if self._told.meter is None or not state.is_world_process_zero:
            return
        self._told.meter.count(steps=1)
        tokens = _tokens(state)
        if tokens > self._tokens:
            self._told.meter.count(tokens=tokens - self._tokens)
            self._tokens = tokens

    def on_prediction_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Begin the phase of an evaluation with its first step: the trainer tells no earlier."""
        del args, state, control, more
        self._told.begin_phase("evaluation")

    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """End it."""
        del args, state, control, more
        self._told.end_phase("evaluation")

    def on_predict(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """End it."""
        self.on_evaluate(args, state, control, **more)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """End the meter; a trainer whose training raises does not come here, and the log says failed."""
        del args, state, control, more
        self._told.end()


def _tokens(state: Any) -> float:
    """Return the tokens that all processes saw; trainers before 4.41 do not count them."""
    return float(getattr(state, "num_input_tokens_seen", 0) or 0)
