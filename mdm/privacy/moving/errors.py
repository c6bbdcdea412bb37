"""Why a town cannot be exported, imported or removed. The message is for the operator at the terminal."""

from __future__ import annotations


class TownMoveRefused(Exception):
    """Nothing was changed; the message says what is in the way. It holds no name of a person and no secret."""
