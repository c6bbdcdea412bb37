"""Documents of declarative management (Apple: TokensResponse, DeclarationItemsResponse). Pure; so far the empty set."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

#: The token of a device whose set of declarations is empty: the same in both documents, or the tablet loops.
EMPTY_TOKEN = hashlib.sha256(b"[]").hexdigest()


def empty_tokens(at: datetime) -> bytes:
    """The answer to `tokens`. The timestamp has whole seconds and `Z`."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _dump({"SyncTokens": {"Timestamp": stamp, "DeclarationsToken": EMPTY_TOKEN}})


def empty_items() -> bytes:
    """The answer to `declaration-items`: four arrays, none of them absent."""
    empty: dict[str, list[object]] = {"Activations": [], "Configurations": [], "Assets": [], "Management": []}
    return _dump({"Declarations": empty, "DeclarationsToken": EMPTY_TOKEN})


def _dump(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
