"""A card: something that waits, how much of it, and where a person does something about it. It is gone when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartable.i18n import Language, Message

#: Lines of a card; the rest is one more line.
_MAX_LINES = 6
_MORE = Message("and {count} more", plural="and {count} more")


def build_card(
    key: str,
    title: Message,
    count: int,
    address: str,
    language: Language,
    advice: Message | None = None,
    lines: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return what the template shows of a card. `lines` are texts with their addresses, empty where there is none."""
    shown = list(lines[:_MAX_LINES])
    if len(lines) > _MAX_LINES:
        rest = len(lines) - _MAX_LINES
        shown.append((_MORE.translate(language, count=rest), ""))
    return {
        "key": key,
        "title": title.translate(language, count=count),
        "advice": advice.translate(language) if advice is not None else "",
        "address": address,
        "lines": shown,
    }
