"""What a device says it is, and whether that is an iPad which this server can manage. Pure.

A device that says nothing about itself is accepted: which keys it sends depends on its access rights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cartable.i18n import Message
from cartable.settings import Settings
from enrollment.joining.errors import EnrollmentRefusal, NotInvited

#: Oldest iPadOS that may enroll, and the first number of its builds, which count on from there.
OLDEST_IPADOS, _OLDEST_BUILD = 15, 19
#: Families by the beginning of a product name (`iPad13,18`, `MacBookPro18,1`), in lower case without punctuation.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("ipad", "iPad"),
    ("iphone", "iPhone"),
    ("ipod", "iPod touch"),
    ("appletv", "Apple TV"),
    ("realitydevice", "Apple Vision"),
    ("applevision", "Apple Vision"),
    ("watch", "Apple Watch"),
    ("applewatch", "Apple Watch"),
    ("audioaccessory", "HomePod"),
    ("homepod", "HomePod"),
    ("virtualmac", "Mac"),
    ("imac", "Mac"),
    ("mac", "Mac"),
    ("xserve", "Mac"),
    ("adp", "Mac"),
)
IPAD = "iPad"


class DeviceProblem(StrEnum):
    """Why a device is no tablet that this server manages as one."""

    NOT_AN_IPAD = "not_an_ipad"
    SYSTEM_TOO_OLD = "system_too_old"
    UNKNOWN_DEVICE = "unknown_device"  # it says something that names no family: it enrolls, and is marked


DEVICE_PROBLEMS: dict[DeviceProblem, Message] = {
    DeviceProblem.NOT_AN_IPAD: Message("This device says that it is no iPad: {device}."),
    DeviceProblem.SYSTEM_TOO_OLD: Message("The system of this iPad is too old: {device}. iPadOS {oldest} or later is needed."),
    DeviceProblem.UNKNOWN_DEVICE: Message("This device does not say that it is an iPad: {device}."),
}


_REFUSALS: dict[DeviceProblem | None, EnrollmentRefusal] = {
    DeviceProblem.NOT_AN_IPAD: EnrollmentRefusal.NOT_AN_IPAD,
    DeviceProblem.SYSTEM_TOO_OLD: EnrollmentRefusal.SYSTEM_TOO_OLD,
}


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """What a device says about itself, in Authenticate or in MachineInfo. Every value may be missing."""

    product_name: str | None = None
    model_name: str | None = None
    model: str | None = None
    os_version: str | None = None
    build_version: str | None = None

    @property
    def label(self) -> str:
        """The product and the system as sent, for the log and for people."""
        product = self.product_name or self.model_name or self.model or ""
        return f"{product} {self.os_version or self.build_version or ''}".strip()[:80]


def identify_family(device: DeviceDescription) -> str | None:
    """Return the family of the device such as `iPad` or `Mac`; None when nothing that it says names one."""
    for text in (device.product_name, device.model_name, device.model):
        name = re.sub(r"[^a-z0-9]", "", (text or "").lower()).removeprefix("simulated")
        family = next((family for prefix, family in _FAMILIES if name.startswith((prefix, f"apple{prefix}"))), None)
        if family is not None:
            return family
    return None


def find_device_problem(device: DeviceDescription) -> DeviceProblem | None:
    """Return why the device is no tablet to manage; None for an iPad with a recent system, and for one that says nothing."""
    family = identify_family(device)
    if family not in (IPAD, None):
        return DeviceProblem.NOT_AN_IPAD
    if _is_too_old(device):
        return DeviceProblem.SYSTEM_TOO_OLD
    return DeviceProblem.UNKNOWN_DEVICE if family is None and (device.product_name or "").strip() else None


def _is_too_old(device: DeviceDescription) -> bool:
    """Return whether the system is older than the oldest one; before iPadOS 17 MachineInfo has the build only."""
    version = re.search(r"\d{1,3}", device.os_version or "")
    if version is not None:
        return int(version[0]) < OLDEST_IPADOS
    build = re.match(r"\s*(\d{1,3})[A-Za-z]", device.build_version or "")
    return build is not None and int(build[1]) < _OLDEST_BUILD


def check_device(settings: Settings, device: DeviceDescription) -> None:
    """Raise `NotInvited` for a device that is no iPad or has too old a system, unless the operator allows other devices."""
    problem = find_device_problem(device)
    if problem in _REFUSALS and not settings.allow_other_devices:
        raise NotInvited(why=_REFUSALS[problem].value)


def describe_problem(problem: DeviceProblem, device: DeviceDescription) -> Message:
    """Return the sentence that tells people about the problem."""
    return DEVICE_PROBLEMS[problem].bind(device=device.label or "–", oldest=OLDEST_IPADOS)
