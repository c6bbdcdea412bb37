"""Pure rules of device assignment: which word of a page counts, what a profile holds, when the whole list is read again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from enrollment.joining.ade.models import Variant
from enrollment.joining.ade.ports import Device

#: Between two syncs by the clock; a person may ask sooner, the service bears one a minute.
EVERY = timedelta(minutes=15)
SOONEST = timedelta(minutes=1)
#: Hours of UTC that are night in every school.
_NIGHT = range(4)
_WHOLE_AFTER, _WHOLE_AT_LAST = timedelta(hours=20), timedelta(hours=36)
#: After a refusal for one device; longer each time.
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=5), timedelta(days=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: Panes of the Setup Assistant that a school's tablet leaves out (Apple: SkipKeys): all that an iPad can leave out.
SKIPPED = (
    "AccessibilityAppearance", "ActionButton", "Android", "Appearance", "AppleID", "AppStore", "Biometric", "CameraButton",
    "DeviceToDeviceMigration", "Diagnostics", "DisplayTone", "EnableLockdownMode", "HomeButtonSensitivity", "iMessageAndFaceTime",
    "Intelligence", "Keyboard", "LiquidGlass", "Location", "MessagingActivationUsingPhoneNumber", "Multitasking", "OnBoarding",
    "OSShowcase", "Passcode", "Payment", "Privacy", "Restore", "RestoreCompleted", "Safety", "SafetyAndHandling", "ScreenTime",
    "SIMSetup", "Siri", "SoftwareUpdate", "SpokenLanguage", "TermsOfAddress", "TOS", "UpdateCompleted", "WatchMigration",
    "WebContentFiltering", "Welcome", "Zoom",
)  # fmt: skip


def last_words(devices: Iterable[Device]) -> dict[str, Device]:
    """One word per serial number: that with the latest `op_date`; of equals, and of those without, the one told last."""
    ordered = sorted(devices, key=lambda device: device.op_date or _LONG_AGO)
    return {device.serial: device for device in ordered}


def counts(said: Device, known: datetime | None) -> bool:
    """Whether a word is news: one that is older than what is known is not. One without date is the list itself: it is."""
    return said.op_date is None or known is None or said.op_date >= known


def is_whole_due(now: datetime, whole_at: datetime | None) -> bool:
    """Whether the whole list shall be read: every night, and at last a day and a half after the last time."""
    if whole_at is None:
        return True
    age = now - whole_at
    return age >= _WHOLE_AT_LAST or (age >= _WHOLE_AFTER and now.hour in _NIGHT)


def wait_after(attempts: int) -> timedelta:
    """How long a device that was refused waits for the next try."""
    return min(FIRST_RETRY * (1 << min(attempts, 12)), LONGEST_RETRY)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a profile says of the server and of those who help."""

    name: str
    magic: str
    url: str
    anchor: bytes | None
    department: str
    support_phone: str
    support_email: str
    skipped: Sequence[str]


def profile_content(said: Presented, variant: Variant) -> dict[str, Any]:
    """The profile to define (school-services.md section A.4). Supervised, not removable, waiting until it is configured."""
    content: dict[str, Any] = {
        "profile_name": said.name[:80] if variant is Variant.USUAL else f"{said.name[:70]} (cart)",
        "url": said.url,
        "org_magic": said.magic,
        "is_supervised": True,
        "is_mandatory": True,
        "is_mdm_removable": False,
        "await_device_configured": True,
        "skip_setup_items": list(said.skipped),
        "do_not_use_profile_from_backup": True,
    }
    if said.anchor is not None:
        content["anchor_certs"] = [base64.b64encode(said.anchor).decode()]
    told = {
        "department": said.department,
        "support_phone_number": said.support_phone,
        "support_email_address": said.support_email,
    }
    content.update({key: value for key, value in told.items() if value})
    if variant is Variant.CART:
        content["is_return_to_service"] = True
    return content


def content_hash(content: dict[str, Any]) -> str:
    """By which a profile is known: another content needs another profile."""
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
