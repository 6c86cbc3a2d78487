"""Bulk lip-sync dubbing of talking-head video on Ray."""

__version__ = "0.1.0"
