"""Seeded randomness: the same seed gives the same tablets. Never used for keys or tokens."""

from __future__ import annotations

import random


def make_seeded_random(*seed: object) -> random.Random:
    """Return a random generator that depends only on `seed`."""
    return random.Random("/".join(str(part) for part in seed))  # noqa: S311 - plausibility, not secrecy
