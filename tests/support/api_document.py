"""The OpenAPI document as it is committed: reading it takes a moment, making it anew takes each process seconds before its first test."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from mdm.cli.checks import DESCRIPTION


@cache
def read_api_document() -> dict[str, Any]:
    """Return the committed document, which a test compares with the code. Callers must not change it."""
    document: dict[str, Any] = json.loads(DESCRIPTION.read_text("utf-8"))
    return document
