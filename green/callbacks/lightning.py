"""Meter what a Trainer of PyTorch Lightning does: `Trainer(callbacks=[GreenMeter(project="nlp")])`."""

# ruff: noqa: ANN401 -- the arguments are of a package that need not be installed

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from green.callbacks.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# the package has two names: the newer one first
_Callback: Any = import_module("lightning.pytorch" if find_spec("lightning") else "pytorch_lightning").Callback


class GreenMeter(_Callback):  # type: ignore[misc]  # a class of a package that need not be installed
    """Each rank has a meter, or joins that of `green meter`; rank 0 counts steps, each rank what `units` finds."""

    def __init__(self, units: Callable[[Any], Mapping[str, float]] | None = None, **options: Any) -> None:
        """Take what counts the functional units of a batch, and the options of `green.meter`."""
        super().__init__()
        self._units = units
        self._told = Told(options)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Begin before anything is loaded to the devices."""
        del trainer, pl_module, stage
        self._told.begin()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End when all is done."""
        del trainer, pl_module, stage
        self._told.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End as failed, or as killed by Ctrl-C."""
        del trainer, pl_module
        self._told.end(exception)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Tell the epoch, counted from 1."""
        del pl_module
        if trainer.is_global_zero and self._told.meter is not None:
            self._told.meter.epoch(trainer.current_epoch + 1)
        self._told.begin_phase("train")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a step, and the units of its batch."""
        del pl_module, outputs, batch_idx
        if self._told.meter is None:
            return
        if trainer.is_global_zero:
            self._told.meter.count(steps=1)
        if self._units is not None:  # each rank has batches of its own
            self._told.meter.count(**self._units(batch))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the training's phase."""
        del trainer, pl_module
        self._told.end_phase("train")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a phase inside that of the training."""
        del trainer, pl_module
        self._told.begin_phase("validation")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """End it."""
        del trainer, pl_module
        self._told.end_phase("validation")

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a phase of tests."""
        del trainer, pl_module
        self._told.begin_phase("test")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """End it."""
        del trainer, pl_module
        self._told.end_phase("test")
