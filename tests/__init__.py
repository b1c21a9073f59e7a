"""Tests of Green."""
