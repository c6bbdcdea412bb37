"""Takes the secrets of the settings out of text before it is printed: passwords in addresses, and settings that are never shown.

A program quotes what it was given in its errors. No list of such errors is complete, so every line that leaves a process passes here.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

from dotenv import dotenv_values

from cartable.settings import Settings

MASK = "***"
#: Shorter ones would be found everywhere.
_SHORTEST = 4
_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)(?P<password>[^\s@'\"]+)(?=@)", re.IGNORECASE)
_PREFIX = "CARTABLE_"
_HIDDEN = frozenset(f"{_PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if not field.repr)


def collect_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the secrets in these variables: passwords in addresses, encoded and not, and the values of settings that are not shown."""
    secrets: set[str] = set()
    for name, value in environment.items():
        if name.upper().startswith(_PREFIX):
            secrets |= _find_passwords(value)
            if name.upper() in _HIDDEN and "://" not in value:
                secrets.add(value)
    return frozenset(secret for secret in secrets if len(secret) >= _SHORTEST)


def _find_passwords(value: str) -> set[str]:
    passwords = {match["password"] for match in _PASSWORD.finditer(value)}
    return passwords | {unquote(password) for password in passwords}


def redact(text: str, secrets: Iterable[str] | None = None) -> str:
    """Return `text` without the secrets (those of this process by default), and without the password of any address in it."""
    for secret in sorted(_load_process_secrets() if secrets is None else secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _PASSWORD.sub(rf"\g<head>{MASK}", text)


@lru_cache(maxsize=1)
def _load_process_secrets() -> frozenset[str]:
    in_file = {name: value for name, value in dotenv_values(".env").items() if value} if Path(".env").is_file() else {}
    return collect_secrets({**in_file, **os.environ})


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody caught, without secrets and without the values of variables. It replaces `sys.excepthook`."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
