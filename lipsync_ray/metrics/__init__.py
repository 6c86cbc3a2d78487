"""Scores as pure functions on arrays: LSE, FID, and what a picture is like beside its reference."""
