"""What each check-in message does. One function per message; `handle` finds it. Never commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade.service import MANAGED_ACCOUNTS, managed_account_token
from mdm.channel import declarative
from mdm.channel.authenticate import authenticate, check_out, token_update
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.identity import take_over
from mdm.channel.messages import EMPTY, UNRECOGNIZED, Reply
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol import checkin as c
from mdm.protocol import plist

Handler = Callable[[UnitOfWork, Any, DeviceEnrollment], Reply]


def handle(work: UnitOfWork, message: c.CheckinMessage, fingerprint: str) -> Reply:
    """Carry out one message. Raises `ChannelRefusal`."""
    repository = ChannelRepository(work.session)
    if isinstance(message, c.Unknown):
        raise ChannelRefusal(Refused.UNKNOWN_MESSAGE, message.message_type[:48])
    if message.extra and isinstance(message, c.Authenticate | c.TokenUpdate):
        repository.note(message.ids.device_key, "unknown_keys", {"keys": sorted(message.extra)[:50]}, work.now)
    if isinstance(message, c.Authenticate):
        authenticate(work, message, fingerprint)
        return EMPTY
    if isinstance(message, c.UserAuthenticate):
        return Reply(410)  # here, and only here, 410 is the right word: users of a Mac are not managed
    enrollment = _speaker(work, repository, message, fingerprint)
    if enrollment.state is EnrollmentState.RETIRED:
        return UNRECOGNIZED
    repository.beat(enrollment.id, work.now)
    return _HANDLERS[type(message)](work, message, enrollment)


def _speaker(work: UnitOfWork, repository: ChannelRepository, message: c.CheckinMessage, fingerprint: str) -> DeviceEnrollment:
    """The enrolment that speaks, with its certificate checked. On the first message of a Shared iPad user: the device."""
    enrollment = repository.by_key(message.ids.channel_key, lock=True)
    if enrollment is None and message.ids.is_user_channel:
        enrollment = repository.by_key(message.ids.device_key, lock=True)
    if enrollment is None:
        raise ChannelRefusal(Refused.UNKNOWN_TABLET)
    if enrollment.state is EnrollmentState.CHECKED_OUT:
        raise ChannelRefusal(Refused.NOT_ENROLLED)
    if fingerprint not in (enrollment.fingerprint, enrollment.next_fingerprint) and not take_over(
        work, enrollment.id, fingerprint
    ):
        raise ChannelRefusal(Refused.WRONG_CERTIFICATE)
    return enrollment


def _token_update(work: UnitOfWork, message: c.TokenUpdate, enrollment: DeviceEnrollment) -> Reply:
    token_update(work, message, enrollment)
    return EMPTY


def _check_out(work: UnitOfWork, _message: c.CheckOut, enrollment: DeviceEnrollment) -> Reply:
    check_out(work, enrollment)
    return EMPTY


def _set_bootstrap_token(_work: UnitOfWork, message: c.SetBootstrapToken, enrollment: DeviceEnrollment) -> Reply:
    enrollment.bootstrap_token = message.bootstrap_token or None
    return EMPTY


def _get_bootstrap_token(_work: UnitOfWork, _message: c.GetBootstrapToken, enrollment: DeviceEnrollment) -> Reply:
    if enrollment.bootstrap_token is None:
        return EMPTY
    return Reply(200, plist.dumps({"BootstrapToken": enrollment.bootstrap_token}))


def _declarative(work: UnitOfWork, message: c.DeclarativeManagement, enrollment: DeviceEnrollment) -> Reply:
    return declarative.answer(work, message, enrollment)


def _get_token(work: UnitOfWork, message: c.GetToken, enrollment: DeviceEnrollment) -> Reply:
    """A token for the tablet's sign-in to a Managed Apple Account; other services are not offered (protocol.md section 7.5)."""
    found = managed_account_token(work, enrollment.tablet_id) if message.service_type == MANAGED_ACCOUNTS else None
    if found is None:
        raise ChannelRefusal(Refused.UNSUPPORTED, message.service_type[:48])
    return Reply(200, plist.dumps({"TokenData": found}))


def _return_to_service(work: UnitOfWork, _message: c.ReturnToService, enrollment: DeviceEnrollment) -> Reply:
    """A cart's tablet may erase itself and come back unattended, if the school's Wi-Fi can be given to it; others stay as they
    are, and so does one that is kept as evidence.
    """
    wifi = work.settings.wifi_profile
    if wifi is None or not ChannelRepository(work.session).may_start_afresh(enrollment.tablet_id):
        return Reply(200, plist.dumps({"ReturnToService": {"Enabled": False}}))
    audit.record_event(work, SYSTEM, "tablet.return_to_service", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    told: dict[str, Any] = {"Enabled": True, "WiFiProfileData": wifi.read_bytes()}
    if enrollment.bootstrap_token is not None:
        told["BootstrapToken"] = enrollment.bootstrap_token
    return Reply(200, plist.dumps({"ReturnToService": told}))


_HANDLERS: dict[type[c.CheckinMessage], Handler] = {
    c.TokenUpdate: _token_update,
    c.CheckOut: _check_out,
    c.SetBootstrapToken: _set_bootstrap_token,
    c.GetBootstrapToken: _get_bootstrap_token,
    c.DeclarativeManagement: _declarative,
    c.GetToken: _get_token,
    c.ReturnToService: _return_to_service,
}
