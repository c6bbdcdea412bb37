"""Repeatable chance: the same seed makes the same tablets. Never a source of keys or tokens."""

from __future__ import annotations

import random


def seeded_random(*seed: object) -> random.Random:
    """A generator that depends on nothing but `seed`."""
    return random.Random("/".join(str(part) for part in seed))  # noqa: S311 - plausibility, not secrecy
