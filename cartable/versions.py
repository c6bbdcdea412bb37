"""Version numbers as they are compared. What a version makes possible is said where it is used."""

from __future__ import annotations


def parse_version(text: str) -> tuple[int, ...]:
    """Return a version as numbers, so that 18.10 is later than 18.4. What follows a space, and parts that are no numbers, are left out."""
    return tuple(int(part) for part in text.split(" ", maxsplit=1)[0].split(".") if part.isdecimal())
