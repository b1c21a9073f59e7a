"""`green factors list|show|search`: the factor rows, with their sources."""

from __future__ import annotations
