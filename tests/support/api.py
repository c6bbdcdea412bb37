"""Reading the API in tests."""

from __future__ import annotations

from typing import Any

import httpx


def list_all(client: httpx.Client, path: str, **params: str | int) -> list[Any]:
    """Return the items of all pages of a list."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        response = client.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
        response.raise_for_status()
        page = response.json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
