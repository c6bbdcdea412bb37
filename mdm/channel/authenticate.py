"""The life of an enrolment: Authenticate opens a new generation, TokenUpdate completes it, CheckOut ends it."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import DomainError
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.errors import UntrustedCertificate
from enrollment.identity.verifier import describe
from enrollment.joining import reservations
from enrollment.joining.enrollment_matching import admit
from enrollment.joining.errors import NotInvited
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.service import TabletDetails
from mdm.channel.errors import ChannelRefusal, Refused
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import Authenticate, TokenUpdate
from mdm.queue.repository import QueueRepository


def authenticate(work: UnitOfWork, message: Authenticate, fingerprint: str) -> None:
    """Open a new generation for a tablet that may join. Raises `ChannelRefusal`.

    An uninvited tablet gets 403: it is not enrolled yet, so nothing is lost, and 401 is never said.
    """
    repository = ChannelRepository(work.session)
    key = message.ids.device_key
    if repository.pinned_elsewhere(fingerprint, key):
        raise ChannelRefusal(Refused.WRONG_CERTIFICATE, "it speaks for another tablet")
    try:
        tablet = admit(work, describe(work, fingerprint), message.serial_number, key, _details(message))
    except UntrustedCertificate as error:
        raise ChannelRefusal(Refused.UNTRUSTED, error.reason.value) from error
    except NotInvited as error:
        raise ChannelRefusal(Refused.NOT_INVITED, str(error.details.get("why", "")), status=403) from error
    except DomainError as error:  # custody does not allow it: that is no failure of the server
        raise ChannelRefusal(Refused.NOT_INVITED, error.code, status=403) from error
    for former in repository.other_channels_of_tablet(tablet.id, key):
        _end(work, repository, former)
    enrollment = repository.by_key(key, lock=True)
    if enrollment is None:
        enrollment = _first(work, tablet, message, fingerprint)
    else:
        _again(work, repository, enrollment, tablet, message, fingerprint)
    repository.start_heart(enrollment.id, work.now)
    audit.record_event(
        work, SYSTEM, "tablet.authenticate", "tablet", tablet.id, town_id=tablet.town_id, generation=enrollment.generation
    )


def _first(work: UnitOfWork, tablet: Tablet, message: Authenticate, fingerprint: str) -> DeviceEnrollment:
    enrollment = DeviceEnrollment(
        town_id=tablet.town_id,
        tablet_id=tablet.id,
        channel_key=message.ids.device_key,
        udid=message.ids.udid or message.ids.device_key,
        generation=1,
        state=EnrollmentState.PENDING,
        fingerprint=fingerprint,
        topic=message.topic[:255],
        authenticated_at=work.now,
    )
    work.session.add(enrollment)
    work.session.flush()
    return enrollment


def _again(
    work: UnitOfWork,
    repository: ChannelRepository,
    enrollment: DeviceEnrollment,
    tablet: Tablet,
    message: Authenticate,
    fingerprint: str,
) -> None:
    """A new life: what the former one waited for is over, its secrets are gone, its history stays."""
    enrollment.generation += 1
    enrollment.tablet_id, enrollment.town_id = tablet.id, tablet.town_id
    enrollment.state = EnrollmentState.PENDING
    enrollment.fingerprint, enrollment.next_fingerprint = fingerprint, None
    enrollment.topic = message.topic[:255]
    enrollment.unlock_token = enrollment.bootstrap_token = None
    enrollment.awaiting_configuration = False
    enrollment.authenticated_at, enrollment.enrolled_at, enrollment.ended_at = work.now, None, None
    work.session.flush()
    if QueueRepository(work.session).supersede_life(enrollment.id, enrollment.generation, work.now):
        tablets.wiped(work, tablet.id)
    repository.forget_push([enrollment.id])
    repository.forget_status(enrollment.id)
    for user in repository.users_of(enrollment.id):
        _end(work, repository, user)


def token_update(work: UnitOfWork, message: TokenUpdate, speaker: DeviceEnrollment) -> None:
    """Keep where to push. The first one on the device channel completes the enrolment."""
    repository = ChannelRepository(work.session)
    enrollment = speaker
    if message.ids.is_user_channel:
        enrollment = _user(work, repository, message, speaker)
    repository.aim_push(enrollment.id, message.token, message.push_magic, message.topic, work.now)
    if message.unlock_token is not None:
        enrollment.unlock_token = message.unlock_token
    if message.awaiting_configuration is not None:
        enrollment.awaiting_configuration = message.awaiting_configuration
        if message.awaiting_configuration and enrollment.state is EnrollmentState.PENDING:
            tablets.wiped(work, enrollment.tablet_id)  # it stands in the Setup Assistant: nothing of a child is left on it
            reservations.honour(work, work.session.get_one(Tablet, enrollment.tablet_id))
    if enrollment.state is EnrollmentState.PENDING:
        enrollment.state, enrollment.enrolled_at = EnrollmentState.ENROLLED, work.now
        work.enqueue_job(Topic.CHECKED_IN, enrollment.id)
        audit.record_event(work, SYSTEM, "tablet.enrolled", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)


def _user(work: UnitOfWork, repository: ChannelRepository, message: TokenUpdate, speaker: DeviceEnrollment) -> DeviceEnrollment:
    """The Shared iPad user's own channel: made at the first TokenUpdate, kept apart from the device's."""
    device = speaker if speaker.parent_id is None else work.session.get_one(DeviceEnrollment, speaker.parent_id)
    found = repository.by_key(message.ids.channel_key, lock=True)
    if found is None:
        found = DeviceEnrollment(
            town_id=device.town_id,
            tablet_id=device.tablet_id,
            parent_id=device.id,
            channel_key=message.ids.channel_key,
            udid=device.udid,
            generation=1,
            fingerprint=device.fingerprint,
            topic=message.topic[:255],
            authenticated_at=work.now,
            state=EnrollmentState.ENROLLED,
            enrolled_at=work.now,
        )
        work.session.add(found)
        work.session.flush()
        repository.start_heart(found.id, work.now)
    found.state, found.ended_at, found.fingerprint = EnrollmentState.ENROLLED, None, device.fingerprint
    return found


def check_out(work: UnitOfWork, enrollment: DeviceEnrollment) -> None:
    """The tablet has removed its profile: the queue is dropped, the inventory stays."""
    repository = ChannelRepository(work.session)
    audit.record_event(work, SYSTEM, "tablet.check_out", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    for user in repository.users_of(enrollment.id):
        _end(work, repository, user)
    _end(work, repository, enrollment)


def retire(work: UnitOfWork, tablet_id: UUID) -> None:
    """A person has ended the tablet's life here: this, and nothing else, tells a tablet to unenrol (protocol.md section 2.2)."""
    for channel in ChannelRepository(work.session).channels_of_tablet(tablet_id):
        _end(work, ChannelRepository(work.session), channel)
        channel.state = EnrollmentState.RETIRED


def _end(work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment) -> None:
    enrollment.state, enrollment.ended_at = EnrollmentState.CHECKED_OUT, work.now
    work.session.flush()
    QueueRepository(work.session).supersede_life(enrollment.id, enrollment.generation + 1, work.now)
    repository.forget_push([enrollment.id])


def _details(message: Authenticate) -> TabletDetails:
    return TabletDetails(
        product_name=_short(message.product_name, 40),
        model_name=_short(message.model_name, 80),
        os_version=_short(message.os_version, 24),
        build_version=_short(message.build_version, 24),
    )


def _short(text: str | None, length: int) -> str | None:
    return text[:length] if text else None
