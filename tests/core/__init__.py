"""Attacks on the core: what goes in, what comes out, and what must never happen on the way."""
