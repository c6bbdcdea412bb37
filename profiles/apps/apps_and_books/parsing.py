"""Reads the responses of Apps and Books row by row: what is odd is left out and counted, and loses no other row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from profiles.apps.apps_and_books.ports import (
    STANDARD_PRICING,
    AssetList,
    AssignedLicences,
    AssignmentFailure,
    ClaimingServer,
    LicensedAsset,
)

#: Giving what is given already, or taking what is not held, has done what was asked.
_ALREADY_DONE_ERRORS = {9616, 9619, 9709}
#: The largest number that is accepted: a column holds no more, and nobody owns so many licences.
MAX_NUMBER = 2**31 - 1
_MAX_ADAM_ID = 2**53


def read_text(value: object, length: int) -> str:
    """Return a text or a number as a text that a column holds; an empty one for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).replace("\x00", "").encode("utf-8", "ignore").decode("utf-8").strip()
    return text[:length]


def read_number(value: object, maximum: int = MAX_NUMBER) -> int | None:
    """Return a whole number that is not negative, also where it is written as a text; None for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        return None
    return value


def parse_assets(rows: Sequence[Any]) -> AssetList:
    """Return the apps in the rows of a list. Of two rows of one app the one with licences of the usual kind counts."""
    assets: dict[int, LicensedAsset] = {}
    skipped = 0
    for row in rows:
        asset = _parse_asset(row) if isinstance(row, dict) else None
        if asset is None:
            skipped += 1
        elif asset.adam_id not in assets or asset.pricing == STANDARD_PRICING:
            assets[asset.adam_id] = asset
    return AssetList(tuple(assets.values()), skipped)


def _parse_asset(row: Mapping[str, Any]) -> LicensedAsset | None:
    adam_id, total = read_number(row.get("adamId"), _MAX_ADAM_ID), read_number(row.get("totalCount"))
    if not adam_id or total is None:
        return None
    return LicensedAsset(
        adam_id,
        total,
        read_number(row.get("assignedCount")) or 0,
        row.get("deviceAssignable") is not False,
        read_text(row.get("pricingParam"), 20) or STANDARD_PRICING,
    )


def parse_assignments(rows: Sequence[Any]) -> AssignedLicences:
    """Return who has licences. A row that names no serial number still stands for a licence that is in use."""
    serials = [read_text(row.get("serialNumber"), 40).upper() if isinstance(row, dict) else "" for row in rows]
    return AssignedLicences(frozenset(serial for serial in serials if serial), sum(not serial for serial in serials))


def parse_failures(reply: Mapping[str, Any], adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
    """Return what an event failed to do. One that failed and names no tablet failed for all of them."""
    listed = reply.get("failures")
    named = [failure for failure in listed if isinstance(failure, dict)] if isinstance(listed, list) else []
    if reply.get("eventStatus") != "COMPLETE" and not named:
        return [AssignmentFailure(0, adam_id, serial, "the service has failed") for serial in serials]
    failures = []
    for failure in named:
        number, serial = read_number(failure.get("errorNumber")) or 0, read_text(failure.get("serialNumber"), 40)
        message = f"{number} {read_text(failure.get('errorMessage'), 160)}".strip()
        if number not in _ALREADY_DONE_ERRORS:
            failures += [AssignmentFailure(number, adam_id, each, message) for each in ([serial] if serial else serials)]
    return failures


def parse_limits(value: object) -> dict[str, int]:
    """Return the limits of the service that are positive numbers."""
    numbers = {name: read_number(number) for name, number in value.items()} if isinstance(value, dict) else {}
    return {str(name): number for name, number in numbers.items() if number}


def parse_claiming_server(value: object) -> ClaimingServer | None:
    """Return the server that has claimed an account; None when nobody has. One without an id is known by its name."""
    if not isinstance(value, dict):
        return None
    identifier, name = read_text(value.get("id"), 100), read_text(value.get("name"), 100)
    return ClaimingServer(identifier or name, name) if identifier or name else None


def parse_expiry(value: object) -> datetime | None:
    """Return an instant; one without a time zone is UTC. None for what is no instant."""
    try:
        instant = datetime.fromisoformat(read_text(value, 40))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
