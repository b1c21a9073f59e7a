"""`green explain RUN [METRIC]`: a number unfolded to formula, inputs, factor, source and log file."""

from __future__ import annotations
