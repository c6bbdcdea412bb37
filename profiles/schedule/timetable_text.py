"""The bands of a day as people type them: "08:30-11:30, 13:30-16:30 Cantine". Reads and writes them. Pure.

See docs/domain/modes.md#timetable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from profiles.schedule.timetable import MAX_BANDS, Band, BandKind, TimetableFormatError, format_clock

#: One band: two times with a dash between, then words. A time is 8:30, 08h30, 8h or 24:00.
_BAND = re.compile(
    r"\s*(\d{1,2})\s*(?:[:hH]\s*(\d{2})?)?\s*(?:-|–|—|à|to)\s*(\d{1,2})\s*(?:[:hH]\s*(\d{2})?)?(?:\s+(.*))?",
    re.ASCII | re.DOTALL,
)
_MAX_LABEL = 80


def parse_bands(text: str, kind: BandKind, field: str) -> list[dict[str, object]]:
    """Return bands in the form that `parse_week` takes, from a text with commas or line ends between them.

    Raises `TimetableFormatError`: `not_a_time`, `too_many`.
    """
    parts = [part for part in re.split(r"[,;\n]", text) if part.strip()]
    if len(parts) > MAX_BANDS:
        raise TimetableFormatError(field, "too_many")
    bands: list[dict[str, object]] = []
    for part in parts:
        match = _BAND.fullmatch(part)
        if match is None:
            raise TimetableFormatError(field, "not_a_time")
        from_hour, from_minute, to_hour, to_minute, label = match.groups()
        bands.append(
            {
                "kind": kind.value,
                "from": f"{int(from_hour):02d}:{from_minute or '00'}",
                "to": f"{int(to_hour):02d}:{to_minute or '00'}",
                "label": (label or "").strip()[:_MAX_LABEL],
            }
        )
    return bands


def format_bands(bands: Iterable[Band], kind: BandKind) -> str:
    """Return the bands of one kind as `parse_bands` reads them."""
    return ", ".join(
        f"{format_clock(band.starts)}-{format_clock(band.ends)} {band.label}".rstrip() for band in bands if band.kind is kind
    )
