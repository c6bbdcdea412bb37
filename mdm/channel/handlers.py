"""The handlers of check-in messages, one function each, and their dispatch. Enrollment itself is in `authenticate.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.service import MANAGED_ACCOUNTS, sign_managed_account_token
from enrollment.safeguards.stop_switch import is_stopped
from enrollment.tablets.rules import read_reported_serial
from mdm.channel import declarative, readoption
from mdm.channel.authenticate import handle_authenticate, handle_check_out, handle_token_update
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.identity import pin_renewed_certificate
from mdm.channel.limits import MAX_BOOTSTRAP_TOKEN
from mdm.channel.messages import EMPTY_RESPONSE, UNRECOGNIZED_DEVICE, ChannelResponse
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.devices.repository import DeviceRepository
from mdm.protocol import checkin, plist

CheckinHandler = Callable[[UnitOfWork, Any, DeviceEnrollment], ChannelResponse]


def handle_checkin(
    work: UnitOfWork, message: checkin.CheckinMessage, fingerprint: str, certificate: bytes = b""
) -> ChannelResponse:
    """Process one check-in message and return the response. Raises `DeviceRequestRejected`."""
    notes = ChannelRepository(work.session)
    if isinstance(message, checkin.UnknownMessage):
        raise DeviceRequestRejected(RejectionReason.UNKNOWN_MESSAGE, message.message_type[:48])
    if message.unknown_keys and isinstance(message, checkin.Authenticate | checkin.TokenUpdate):
        keys = [key[:64] for key in sorted(message.unknown_keys)[:50]]
        notes.add_note(message.ids.device_key, fingerprint, "unknown_keys", {"keys": keys}, work.now)
    if (
        isinstance(message, checkin.Authenticate)
        and message.serial_number
        and read_reported_serial(message.serial_number) is None
    ):
        notes.add_note(message.ids.device_key, fingerprint, "odd_serial", {"serial": message.serial_number[:64]}, work.now)
    if message.ids.is_user_channel and isinstance(message, _DEVICE_CHANNEL_ONLY):
        raise DeviceRequestRejected(RejectionReason.DEVICE_CHANNEL_ONLY, message.MESSAGE_TYPE)
    if isinstance(message, checkin.Authenticate):
        readoption.recover_certificate(work, certificate)
        handle_authenticate(work, message, fingerprint)
        return EMPTY_RESPONSE
    if isinstance(message, checkin.UserAuthenticate):
        return ChannelResponse(410)  # the only message with this status: the server does not manage network users of a Mac
    enrollment = _get_sender(work, message, fingerprint, certificate)
    if enrollment.state is EnrollmentState.RETIRED:
        return EMPTY_RESPONSE if is_stopped(work, enrollment.town_id) else UNRECOGNIZED_DEVICE
    DeviceRepository(work.session).touch_last_seen(enrollment.id, work.now)
    return _HANDLERS[type(message)](work, message, enrollment)


def _get_sender(work: UnitOfWork, message: checkin.CheckinMessage, fingerprint: str, certificate: bytes) -> DeviceEnrollment:
    """Return the enrollment that sent the message, after checking its certificate. Raises `DeviceRequestRejected`.

    A user's TokenUpdate is sent by the device, since it creates the user's enrollment or revives an ended one. Every other
    message of a user concerns that user alone, and is rejected when the user has no enrollment.
    """
    ids = message.ids
    is_user_token = ids.is_user_channel and isinstance(message, checkin.TokenUpdate)
    key = ids.device_key if is_user_token else ids.channel_key
    enrollment = DeviceRepository(work.session).get_by_channel_key(key, lock=True)
    if enrollment is None:
        is_unknown_user = ids.is_user_channel and not is_user_token
        raise DeviceRequestRejected(RejectionReason.UNKNOWN_USER if is_unknown_user else RejectionReason.UNKNOWN_TABLET)
    is_pinned = fingerprint in (enrollment.fingerprint, enrollment.next_fingerprint)
    if not is_pinned and readoption.readopt_enrollment(work, enrollment, certificate):
        work.session.refresh(enrollment)
        is_pinned = True
    if enrollment.state is EnrollmentState.CHECKED_OUT:
        raise DeviceRequestRejected(RejectionReason.NOT_ENROLLED)
    if not is_pinned and not pin_renewed_certificate(work, enrollment.id, fingerprint):
        raise DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE)
    return enrollment


def _handle_token_update(work: UnitOfWork, message: checkin.TokenUpdate, enrollment: DeviceEnrollment) -> ChannelResponse:
    handle_token_update(work, message, enrollment)
    return EMPTY_RESPONSE


def _handle_check_out(work: UnitOfWork, _message: checkin.CheckOut, enrollment: DeviceEnrollment) -> ChannelResponse:
    handle_check_out(work, enrollment)
    return EMPTY_RESPONSE


def _handle_set_bootstrap_token(
    _work: UnitOfWork, message: checkin.SetBootstrapToken, enrollment: DeviceEnrollment
) -> ChannelResponse:
    if len(message.bootstrap_token or b"") > MAX_BOOTSTRAP_TOKEN:
        raise DeviceRequestRejected(RejectionReason.TOO_LARGE, "BootstrapToken")
    enrollment.bootstrap_token = message.bootstrap_token or None
    return EMPTY_RESPONSE


def _handle_get_bootstrap_token(
    _work: UnitOfWork, _message: checkin.GetBootstrapToken, enrollment: DeviceEnrollment
) -> ChannelResponse:
    if enrollment.bootstrap_token is None:
        return EMPTY_RESPONSE
    return ChannelResponse(200, plist.dumps({"BootstrapToken": enrollment.bootstrap_token}))


def _handle_declarative_request(
    work: UnitOfWork, message: checkin.DeclarativeRequest, enrollment: DeviceEnrollment
) -> ChannelResponse:
    return declarative.handle_declarative_request(work, message, enrollment)


def _handle_get_token(work: UnitOfWork, message: checkin.GetToken, enrollment: DeviceEnrollment) -> ChannelResponse:
    """Return a token for the tablet's sign-in to a Managed Apple Account (docs/domain/protocol.md#get-token).

    Other services are rejected.
    """
    token = sign_managed_account_token(work, enrollment.tablet_id) if message.service_type == MANAGED_ACCOUNTS else None
    if token is None:
        raise DeviceRequestRejected(RejectionReason.UNSUPPORTED, message.service_type[:48])
    return ChannelResponse(200, plist.dumps({"TokenData": token}))


def _handle_return_to_service(
    work: UnitOfWork, _message: checkin.ReturnToService, enrollment: DeviceEnrollment
) -> ChannelResponse:
    """Allow Return to Service, with the Wi-Fi profile, to a cart's tablet that is neither missing nor kept as evidence; else refuse.

    The tablet then erases itself and enrolls again without anybody present.
    """
    wifi = work.settings.wifi_profile
    if wifi is None or not ChannelRepository(work.session).may_return_to_service(enrollment.tablet_id):
        return ChannelResponse(200, plist.dumps({"ReturnToService": {"Enabled": False}}))
    audit.record_event(work, SYSTEM, "tablet.return_to_service", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    response: dict[str, Any] = {"Enabled": True, "WiFiProfileData": wifi.read_bytes()}
    if enrollment.bootstrap_token is not None:
        response["BootstrapToken"] = enrollment.bootstrap_token
    return ChannelResponse(200, plist.dumps({"ReturnToService": response}))


#: Messages that Apple defines for the device channel alone: a user's must not act on the device.
_DEVICE_CHANNEL_ONLY = (checkin.Authenticate, checkin.SetBootstrapToken, checkin.GetBootstrapToken, checkin.ReturnToService)

_HANDLERS: dict[type[checkin.CheckinMessage], CheckinHandler] = {
    checkin.TokenUpdate: _handle_token_update,
    checkin.CheckOut: _handle_check_out,
    checkin.SetBootstrapToken: _handle_set_bootstrap_token,
    checkin.GetBootstrapToken: _handle_get_bootstrap_token,
    checkin.DeclarativeRequest: _handle_declarative_request,
    checkin.GetToken: _handle_get_token,
    checkin.ReturnToService: _handle_return_to_service,
}
