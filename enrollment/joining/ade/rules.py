"""Pure rules of Automated Device Enrollment: newest data of a device, content of profiles, when a full fetch is due, retries."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from enrollment.joining.ade.models import ProfileVariant
from enrollment.joining.ade.ports import DeviceRecord

#: Time between two scheduled synchronisations; a person may request one after a minute.
SYNC_INTERVAL = timedelta(minutes=15)
MIN_SYNC_INTERVAL = timedelta(minutes=1)
#: Hours in UTC that are night at every school.
_NIGHT = range(4)
_FULL_FETCH_AFTER, _FULL_FETCH_AT_LATEST = timedelta(hours=20), timedelta(hours=36)
#: Wait after a failure for one device, doubled each time.
FIRST_RETRY, MAX_RETRY = timedelta(minutes=5), timedelta(days=1)
IPAD = "iPad"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Panes of the Setup Assistant that are skipped (Apple: SkipKeys): all that an iPad can skip.
DEFAULT_SKIP_ITEMS = (
    "AccessibilityAppearance", "ActionButton", "Android", "Appearance", "AppleID", "AppStore", "Biometric", "CameraButton",
    "DeviceToDeviceMigration", "Diagnostics", "DisplayTone", "EnableLockdownMode", "HomeButtonSensitivity", "iMessageAndFaceTime",
    "Intelligence", "Keyboard", "LiquidGlass", "Location", "MessagingActivationUsingPhoneNumber", "Multitasking", "OnBoarding",
    "OSShowcase", "Passcode", "Payment", "Privacy", "Restore", "RestoreCompleted", "Safety", "SafetyAndHandling", "ScreenTime",
    "SIMSetup", "Siri", "SoftwareUpdate", "SpokenLanguage", "TermsOfAddress", "TOS", "UpdateCompleted", "WatchMigration",
    "WebContentFiltering", "Welcome", "Zoom",
)  # fmt: skip


def group_by_serial(devices: Iterable[DeviceRecord]) -> dict[str, list[DeviceRecord]]:
    """Return the records of each serial number in the order in which they happened: by `op_date`, then by their place in the page.

    A record without date happened after the one before it.
    """
    records: dict[str, list[tuple[datetime, DeviceRecord]]] = {}
    for device in devices:
        of_device = records.setdefault(device.serial, [])
        of_device.append((device.op_date or (of_device[-1][0] if of_device else _EPOCH), device))
    return {serial: [record for _, record in sorted(dated, key=lambda pair: pair[0])] for serial, dated in records.items()}


def is_tablet(family: str | None, model: str | None, *, only_modified: bool) -> bool:
    """Return whether an assigned device is an iPad. Without family its model decides, and without model it counts as an iPad, since older
    responses contain neither; unless only changes of it were read (`only_modified`): these need not describe the device.
    """
    if family is not None:
        return family == IPAD
    return model.startswith(IPAD) if model is not None else not only_modified


def is_newer(record: DeviceRecord, stored_op_date: datetime | None) -> bool:
    """Return whether a record is not older than the stored one. A record of a full fetch has no date and is always newer."""
    return record.op_date is None or stored_op_date is None or record.op_date >= stored_op_date


def is_full_fetch_due(now: datetime, whole_at: datetime | None) -> bool:
    """Return whether a full fetch is due: every night, and at the latest a day and a half after the last one."""
    if whole_at is None:
        return True
    age = now - whole_at
    return age >= _FULL_FETCH_AT_LATEST or (age >= _FULL_FETCH_AFTER and now.hour in _NIGHT)


def compute_retry_delay(attempts: int) -> timedelta:
    """Return how long to wait before a failed device is tried again."""
    return min(FIRST_RETRY * (1 << min(attempts, 12)), MAX_RETRY)


@dataclass(frozen=True, slots=True)
class ProfileInput:
    """Values of an ADE profile that depend on the server and the town."""

    name: str
    magic: str
    url: str
    anchor: bytes | None
    department: str
    support_phone: str
    support_email: str
    skip_setup_items: Sequence[str]


def build_profile_content(profile_input: ProfileInput, variant: ProfileVariant) -> dict[str, Any]:
    """Return the profile to define: supervised, not removable, and the tablet waits until it is configured."""
    content: dict[str, Any] = {
        "profile_name": profile_input.name[:80] if variant is ProfileVariant.STANDARD else f"{profile_input.name[:70]} (cart)",
        "url": profile_input.url,
        "org_magic": profile_input.magic,
        "is_supervised": True,
        "is_mandatory": True,
        "is_mdm_removable": False,
        "await_device_configured": True,
        "skip_setup_items": list(profile_input.skip_setup_items),
        "do_not_use_profile_from_backup": True,
    }
    if profile_input.anchor is not None:
        content["anchor_certs"] = [base64.b64encode(profile_input.anchor).decode()]
    support = {
        "department": profile_input.department,
        "support_phone_number": profile_input.support_phone,
        "support_email_address": profile_input.support_email,
    }
    content.update({key: value for key, value in support.items() if value})
    if variant is ProfileVariant.CART:
        content["is_return_to_service"] = True
    return content


def hash_content(content: dict[str, Any]) -> str:
    """Return the hash of a profile's content: a profile cannot be changed, another content needs another profile."""
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
