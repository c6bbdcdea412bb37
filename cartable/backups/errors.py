"""Why a backup or a restore cannot be made. The message is for the person at the terminal, who decides what to do."""

from __future__ import annotations


class BackupFailed(Exception):
    """Nothing was overwritten; the message says what is missing or in the way. It holds no password."""
