"""Closed lists of words that records and policies share."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a run is for."""

    TRAINING = "training"
    TUNING = "tuning"
    EVALUATION = "evaluation"
    INFERENCE = "inference"
    OTHER = "other"


class Status(StrEnum):
    """How a run ended; a planned one has not happened yet."""

    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"
    PLANNED = "planned"
