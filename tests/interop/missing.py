"""Handles an independent program that is not installed: a failure where it is required, otherwise a warning."""

from __future__ import annotations

import os
import warnings

#: Set this variable to `require` where the programs are installed; a missing one is then a failure.
REQUIRED = "CARTABLE_INTEROP"


class NotCompared(UserWarning):
    """An independent client is not installed, so the server was not compared with it."""


def warn_not_compared(name: str) -> None:
    """Warn that a program is missing. Raises `AssertionError` where it is required."""
    if os.environ.get(REQUIRED) == "require":
        raise AssertionError(f"{name} is required here and not installed: run `make interop`")
    warnings.warn(f"NOT COMPARED with {name}: it is not installed. Run `make interop` (Debian, root).", NotCompared, stacklevel=2)
