"""The error that rejects a tablet's request, and its reasons. The tablet gets only a status that never unenrolls it."""

from __future__ import annotations

from enum import StrEnum


class RejectionReason(StrEnum):
    """Why a request is rejected; for the log and for channel notes."""

    TOO_LARGE = "too_large"
    BAD_PLIST = "bad_plist"
    BAD_MESSAGE = "bad_message"
    NO_IDENTITY = "no_identity"
    BAD_SIGNATURE = "bad_signature"
    UNTRUSTED = "untrusted_certificate"
    UNKNOWN_TABLET = "unknown_tablet"
    UNKNOWN_USER = "unknown_user"
    DEVICE_CHANNEL_ONLY = "device_channel_only"
    WRONG_CERTIFICATE = "wrong_certificate"
    NOT_ENROLLED = "not_enrolled"
    NOT_INVITED = "not_invited"
    UNKNOWN_MESSAGE = "unknown_message"
    UNSUPPORTED = "unsupported"
    WRONG_TOPIC = "wrong_topic"


class DeviceRequestRejected(Exception):
    """One request is rejected. `status` is 400 unless Apple's protocol requires another one."""

    def __init__(self, reason: RejectionReason, detail: str = "", *, status: int = 400) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.status = status
