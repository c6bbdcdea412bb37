"""The error that rejects a tablet's request, and its reasons. The tablet gets only a status that never unenrolls it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from enrollment.joining.errors import EnrollmentRefusal


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
    TOO_MANY_USERS = "too_many_users"


@dataclass(frozen=True, slots=True)
class InvitationRefusal:
    """A device that followed an invitation and may not enroll. People read it on the invitation's page."""

    invitation_id: UUID
    reason: EnrollmentRefusal
    device: str


class DeviceRequestRejected(Exception):
    """One request is rejected. `status` is 400 unless Apple's protocol requires another one."""

    def __init__(
        self,
        reason: RejectionReason,
        detail: str = "",
        *,
        status: int = 400,
        invitation_refusal: InvitationRefusal | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.invitation_refusal = invitation_refusal
        self.reason = reason
        self.detail = detail
        self.status = status
