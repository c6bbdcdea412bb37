"""What each check-in message does. One function per message; `handle` finds it. Never commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.service import MANAGED_ACCOUNTS, managed_account_token
from mdm.channel import declarative
from mdm.channel.authenticate import handle_authenticate, handle_check_out, handle_token_update
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.identity import take_over
from mdm.channel.messages import EMPTY_RESPONSE, UNRECOGNIZED_DEVICE, ChannelResponse
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol import checkin as c
from mdm.protocol import plist

Handler = Callable[[UnitOfWork, Any, DeviceEnrollment], ChannelResponse]


def handle(work: UnitOfWork, message: c.CheckinMessage, fingerprint: str) -> ChannelResponse:
    """Carry out one message. Raises `ChannelRefusal`."""
    repository = ChannelRepository(work.session)
    if isinstance(message, c.UnknownMessage):
        raise DeviceRequestRejected(RejectionReason.UNKNOWN_MESSAGE, message.message_type[:48])
    if message.unknown_keys and isinstance(message, c.Authenticate | c.TokenUpdate):
        repository.add_note(message.ids.device_key, "unknown_keys", {"keys": sorted(message.unknown_keys)[:50]}, work.now)
    if isinstance(message, c.Authenticate):
        handle_authenticate(work, message, fingerprint)
        return EMPTY_RESPONSE
    if isinstance(message, c.UserAuthenticate):
        return ChannelResponse(410)  # here, and only here, 410 is the right word: users of a Mac are not managed
    enrollment = _speaker(work, repository, message, fingerprint)
    if enrollment.state is EnrollmentState.RETIRED:
        return UNRECOGNIZED_DEVICE
    repository.touch_last_seen(enrollment.id, work.now)
    return _HANDLERS[type(message)](work, message, enrollment)


def _speaker(work: UnitOfWork, repository: ChannelRepository, message: c.CheckinMessage, fingerprint: str) -> DeviceEnrollment:
    """The enrolment that speaks, with its certificate checked. On the first message of a Shared iPad user: the device."""
    enrollment = repository.get_by_channel_key(message.ids.channel_key, lock=True)
    if enrollment is None and message.ids.is_user_channel:
        enrollment = repository.get_by_channel_key(message.ids.device_key, lock=True)
    if enrollment is None:
        raise DeviceRequestRejected(RejectionReason.UNKNOWN_TABLET)
    if enrollment.state is EnrollmentState.CHECKED_OUT:
        raise DeviceRequestRejected(RejectionReason.NOT_ENROLLED)
    if fingerprint not in (enrollment.fingerprint, enrollment.next_fingerprint) and not take_over(
        work, enrollment.id, fingerprint
    ):
        raise DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE)
    return enrollment


def _token_update(work: UnitOfWork, message: c.TokenUpdate, enrollment: DeviceEnrollment) -> ChannelResponse:
    handle_token_update(work, message, enrollment)
    return EMPTY_RESPONSE


def _check_out(work: UnitOfWork, _message: c.CheckOut, enrollment: DeviceEnrollment) -> ChannelResponse:
    handle_check_out(work, enrollment)
    return EMPTY_RESPONSE


def _set_bootstrap_token(_work: UnitOfWork, message: c.SetBootstrapToken, enrollment: DeviceEnrollment) -> ChannelResponse:
    enrollment.bootstrap_token = message.bootstrap_token or None
    return EMPTY_RESPONSE


def _get_bootstrap_token(_work: UnitOfWork, _message: c.GetBootstrapToken, enrollment: DeviceEnrollment) -> ChannelResponse:
    if enrollment.bootstrap_token is None:
        return EMPTY_RESPONSE
    return ChannelResponse(200, plist.dumps({"BootstrapToken": enrollment.bootstrap_token}))


def _declarative(work: UnitOfWork, message: c.DeclarativeRequest, enrollment: DeviceEnrollment) -> ChannelResponse:
    return declarative.handle_declarative_request(work, message, enrollment)


def _get_token(work: UnitOfWork, message: c.GetToken, enrollment: DeviceEnrollment) -> ChannelResponse:
    """A token for the tablet's sign-in to a Managed Apple Account; other services are not offered (protocol.md section 7.5)."""
    found = managed_account_token(work, enrollment.tablet_id) if message.service_type == MANAGED_ACCOUNTS else None
    if found is None:
        raise DeviceRequestRejected(RejectionReason.UNSUPPORTED, message.service_type[:48])
    return ChannelResponse(200, plist.dumps({"TokenData": found}))


def _return_to_service(work: UnitOfWork, _message: c.ReturnToService, enrollment: DeviceEnrollment) -> ChannelResponse:
    """A cart's tablet may erase itself and come back unattended, if the school's Wi-Fi can be given to it; others stay as they
    are, and so does one that is kept as evidence.
    """
    wifi = work.settings.wifi_profile
    if wifi is None or not ChannelRepository(work.session).may_return_to_service(enrollment.tablet_id):
        return ChannelResponse(200, plist.dumps({"ReturnToService": {"Enabled": False}}))
    audit.record_event(work, SYSTEM, "tablet.return_to_service", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    told: dict[str, Any] = {"Enabled": True, "WiFiProfileData": wifi.read_bytes()}
    if enrollment.bootstrap_token is not None:
        told["BootstrapToken"] = enrollment.bootstrap_token
    return ChannelResponse(200, plist.dumps({"ReturnToService": told}))


_HANDLERS: dict[type[c.CheckinMessage], Handler] = {
    c.TokenUpdate: _token_update,
    c.CheckOut: _check_out,
    c.SetBootstrapToken: _set_bootstrap_token,
    c.GetBootstrapToken: _get_bootstrap_token,
    c.DeclarativeRequest: _declarative,
    c.GetToken: _get_token,
    c.ReturnToService: _return_to_service,
}
