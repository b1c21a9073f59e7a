"""Refuse the ML.ENERGY leaderboard's JSON with its reason: it holds figures a request, and no run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.readers import Unreadable

if TYPE_CHECKING:
    from green.readers import Log, Sink


class MlEnergy:
    """The reader that knows the leaderboard's files."""

    name = "mlenergy"
    title = "ML.ENERGY leaderboard JSON (refused: energy a request, no run)"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the leaderboard's own names."""
        head = log.head.lstrip("\ufeff \r\n\t")
        return head.startswith("{") and all(f'"{key}"' in head for key in ("configurations", "gpu_model", "num_gpus"))

    def read(self, log: Log, sink: Sink) -> None:
        """Refuse: how many requests were served, and how long it took, is not in the file."""
        del log, sink
        raise Unreadable("energy a request of many configurations; how many requests a run had is not in the file")


READER = MlEnergy()
