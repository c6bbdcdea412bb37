"""What happens when an independent program is not there: a failure where it is required, else a loud notice."""

from __future__ import annotations

import os
import warnings

#: Set to `require` where the programs were installed: then a missing one is a failure.
REQUIRED = "CARTABLE_INTEROP"


class NotCompared(UserWarning):
    """An independent client could not be installed here, so that its behaviour was not compared."""


def warn_not_compared(name: str) -> None:
    """A program is missing."""
    if os.environ.get(REQUIRED) == "require":
        raise AssertionError(f"{name} is required here and not installed: run `make interop`")
    warnings.warn(f"NOT COMPARED with {name}: it is not installed. Run `make interop` (Debian, root).", NotCompared, stacklevel=2)
