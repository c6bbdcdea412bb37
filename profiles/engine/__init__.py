"""Merge, resolve, explain: pure. No I/O, no clock."""
