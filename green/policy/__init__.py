"""Policies: what an organisation allows, judged on facts; unknown is never pass."""
