"""Tablets that enrolled or renewed after the backup that was restored: a certificate of our CA that the database does not know.

A tablet that the database knows goes on as a new generation; another one is asked for its serial number. Each is stored, so that
people see it. See docs/operator/backup.md#tablets-from-after-the-backup.
"""

from __future__ import annotations

from typing import Any

import structlog

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.recovering import LostCertificate, read_lost_certificate, store_lost_certificate
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.verifier import get_known_certificate
from enrollment.joining.enrollment_matching import resolve_tablet
from enrollment.joining.errors import NotInvited
from enrollment.joining.repository import InvitationRepository
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import ENROLLMENT_REFUSED, read_reported_serial
from enrollment.tablets.service import TabletDetails
from mdm.channel.messages import EMPTY_RESPONSE, ChannelRequest, ChannelResponse
from mdm.channel.models import Readoption, ReadoptionOutcome
from mdm.channel.readoption_rules import REMIND_AFTER, SERIAL_QUESTION, is_same_tablet
from mdm.channel.repository import ChannelRepository
from mdm.devices import service as devices
from mdm.devices.models import DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.connect import CommandStatus, ConnectMessage
from mdm.protocol.envelope import encode_command
from mdm.push.certificates import get_active_topic
from mdm.queue.models import EndReason
from mdm.queue.repository import QueueRepository
from mdm.queue.service import CERTIFICATE_EVIDENCE

log = structlog.get_logger()
_QUERIES = ("SerialNumber", "UDID", "ProductName", "ModelName", "OSVersion", "BuildVersion")


def readopt_enrollment(work: UnitOfWork, enrollment: DeviceEnrollment, certificate: bytes) -> bool:
    """Continue an enrollment as a new generation with a certificate that only the lost part of the database knew.

    Returns False, and changes nothing but the record, for every other certificate.
    """
    lost = read_lost_certificate(work, certificate)
    if lost is None:
        return False
    device = enrollment if enrollment.parent_id is None else work.session.get_one(DeviceEnrollment, enrollment.parent_id)
    locks.lock_town(work, device.town_id)
    pinned = IdentityRepository(work.session).get_by_fingerprint(device.fingerprint)
    tablet = work.session.get_one(Tablet, device.tablet_id)
    town_id = InvitationRepository(work.session).get_town_id(lost.invitation_id) if lost.invitation_id else None
    if not is_same_tablet(lost, device, pinned, invitation_town_id=town_id):
        _record(work, lost, ReadoptionOutcome.OTHER_TABLET, device.udid, tablet)
        return False
    store_lost_certificate(work, lost, tablet_id=tablet.id)
    _continue_enrollment(work, device, lost, tablet)
    return True


def recover_certificate(work: UnitOfWork, certificate: bytes) -> None:
    """Store the certificate of a tablet that is about to enroll, if only the lost part of the database knew it."""
    lost = read_lost_certificate(work, certificate)
    if lost is not None:
        _store_certificate(work, lost)


def answer_unknown_tablet(work: UnitOfWork, request: ChannelRequest) -> ChannelResponse | None:
    """Return the response to a tablet whose UDID is unknown and whose certificate is ours: first the question for its serial number.

    With the answer it is adopted if its serial number or its invitation is known. None: the certificate is none of a restore.
    """
    lost = read_lost_certificate(work, request.certificate)
    message = request.message
    if lost is None or not isinstance(message, ConnectMessage) or message.ids.is_user_channel:
        return None
    if message.command_uuid == SERIAL_QUESTION and message.status is CommandStatus.ACKNOWLEDGED:
        _adopt_unknown_tablet(work, lost, request)
        return EMPTY_RESPONSE
    record_unknown_tablet(work, request)
    if message.status is not CommandStatus.IDLE:
        return EMPTY_RESPONSE  # an answer to a command that is lost
    return ChannelResponse(200, encode_command(DeviceInformation(queries=_QUERIES), SERIAL_QUESTION))


def record_unknown_tablet(work: UnitOfWork, request: ChannelRequest) -> None:
    """Record a tablet whose UDID is unknown, if its certificate is ours and only the lost part of the database knew it."""
    lost = read_lost_certificate(work, request.certificate)
    if lost is not None:
        _record(work, lost, ReadoptionOutcome.UNKNOWN_TABLET, request.message.ids.device_key, None)


def _adopt_unknown_tablet(work: UnitOfWork, lost: LostCertificate, request: ChannelRequest) -> None:
    message = request.message
    assert isinstance(message, ConnectMessage)
    answers = message.body.get("QueryResponses")
    values: dict[str, Any] = answers if isinstance(answers, dict) else {}
    serial = read_reported_serial(str(values.get("SerialNumber") or "")) or ""
    tablet = _find_tablet(work, lost, serial, message.ids.device_key, values)
    if tablet is None:
        _record(work, lost, ReadoptionOutcome.UNKNOWN_TABLET, message.ids.device_key, None, serial)
        return
    if DeviceRepository(work.session).load_enrolled_channels([tablet.id]):
        _record(work, lost, ReadoptionOutcome.ALREADY_ENROLLED, message.ids.device_key, tablet, serial)
        return
    if read_lost_certificate(work, lost.der) is not None:
        store_lost_certificate(work, lost, tablet_id=tablet.id)
    enrollment = devices.create_enrollment(work, tablet, message.ids, lost.fingerprint, get_active_topic(work))
    _continue_enrollment(work, enrollment, lost, tablet)


def _find_tablet(work: UnitOfWork, lost: LostCertificate, serial: str, udid: str, values: dict[str, Any]) -> Tablet | None:
    """Return the tablet of the certificate, of its invitation, or of the serial number; None when none of them is known."""
    repository = TabletRepository(work.session)
    by_serial = repository.get_by_serial(serial) if serial else None
    if lost.tablet_id is not None:
        bound = repository.get(lost.tablet_id)
        return bound if bound is None or by_serial in (None, bound) else None
    if lost.invitation_id is not None and InvitationRepository(work.session).get_town_id(lost.invitation_id) is not None:
        try:
            with work.session.begin_nested():
                row = _store_certificate(work, lost)
                return resolve_tablet(work, get_known_certificate(work, row), serial, udid, _build_details(values))
        except NotInvited:
            log.info("readoption.invitation_refused", udid=udid)
    return None if by_serial is None or by_serial.state in ENROLLMENT_REFUSED else by_serial


def _store_certificate(work: UnitOfWork, lost: LostCertificate) -> str:
    """Store a certificate for whom its subject names, as far as the database still knows them. Returns its fingerprint."""
    tablet = TabletRepository(work.session).get(lost.tablet_id) if lost.tablet_id else None
    is_invited = lost.invitation_id and InvitationRepository(work.session).get_town_id(lost.invitation_id) is not None
    row = store_lost_certificate(
        work, lost, tablet_id=tablet.id if tablet else None, invitation_id=lost.invitation_id if is_invited else None
    )
    return row.fingerprint


def _build_details(values: dict[str, Any]) -> TabletDetails:
    texts = {key: str(values[key]) for key in _QUERIES if isinstance(values.get(key), str)}
    return TabletDetails(
        product_name=texts.get("ProductName", "")[:40] or None,
        model_name=texts.get("ModelName", "")[:80] or None,
        os_version=texts.get("OSVersion", "")[:24] or None,
        build_version=texts.get("BuildVersion", "")[:24] or None,
    )


def _continue_enrollment(work: UnitOfWork, device: DeviceEnrollment, lost: LostCertificate, tablet: Tablet) -> None:
    """Begin the next generation. What waited for the former one is superseded: the tablet is compared with its desired state anew."""
    devices.readopt_enrollment(work, device, lost.fingerprint)
    QueueRepository(work.session).end_former_generations(device.id, device.generation, EndReason.READOPTED, work.now)
    work.enqueue_job(Topic.ENROLLED, device.id)
    audit.record_event(work, SYSTEM, "tablet.readopt", "tablet", tablet.id, town_id=tablet.town_id, generation=device.generation)
    _record(work, lost, ReadoptionOutcome.READOPTED, device.udid, tablet)


def _record(
    work: UnitOfWork,
    lost: LostCertificate,
    outcome: ReadoptionOutcome,
    udid: str,
    tablet: Tablet | None,
    serial: str | None = None,
) -> None:
    """Store or update the record of a tablet, and let the restore be noticed if it was not."""
    row = ChannelRepository(work.session).get_readoption(lost.fingerprint)
    is_new = row is None
    row = row or Readoption(fingerprint=lost.fingerprint, issued_at=lost.issued_at, first_at=work.now)
    row.outcome, row.last_at, row.udid = outcome, work.now, udid[:128]
    row.town_id, row.tablet_id = (tablet.town_id, tablet.id) if tablet else (None, None)
    row.serial = (tablet.serial if tablet else serial) or row.serial
    work.session.add(row)
    work.session.flush()
    if is_new:
        work.enqueue_job(Topic.TIMELINE, CERTIFICATE_EVIDENCE)
        raise_alarm(work, row.town_id, AlarmKind.TABLET_OF_RESTORE, repeat_after=REMIND_AFTER)
    log.warning("readoption.recorded", udid=udid[:64], outcome=outcome.value, tablet=str(row.tablet_id))
