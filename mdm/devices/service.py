"""The life of an enrollment as rows: created, renewed as the next generation, ended. Commands and messages are not its concern."""

from __future__ import annotations

from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.devices.repository import DeviceRepository
from mdm.protocol.checkin import EnrollmentIds


def get_enrolled_channel(work: UnitOfWork, tablet_id: UUID) -> DeviceEnrollment | None:
    """Return the enrolled device channel of a tablet; None when it has none, or has just been erased."""
    return DeviceRepository(work.session).load_enrolled_channels([tablet_id]).get(tablet_id)


def create_enrollment(work: UnitOfWork, tablet: Tablet, ids: EnrollmentIds, fingerprint: str, topic: str) -> DeviceEnrollment:
    """Create the device enrollment of a tablet in its first generation, pending until the first TokenUpdate."""
    enrollment = DeviceEnrollment(
        town_id=tablet.town_id,
        tablet_id=tablet.id,
        channel_key=ids.device_key,
        udid=ids.udid or ids.device_key,
        generation=1,
        state=EnrollmentState.PENDING,
        fingerprint=fingerprint,
        topic=topic[:255],
        authenticated_at=work.now,
    )
    work.session.add(enrollment)
    work.session.flush()
    return enrollment


def start_next_generation(work: UnitOfWork, enrollment: DeviceEnrollment, tablet: Tablet, fingerprint: str, topic: str) -> None:
    """Make an enrollment pending in its next generation: what the former one had sent (tokens, reports) is deleted."""
    repository = DeviceRepository(work.session)
    enrollment.generation += 1
    enrollment.tablet_id, enrollment.town_id = tablet.id, tablet.town_id
    enrollment.state = EnrollmentState.PENDING
    enrollment.fingerprint, enrollment.next_fingerprint = fingerprint, None
    enrollment.topic = topic[:255]
    enrollment.unlock_token = enrollment.bootstrap_token = None
    enrollment.awaiting_configuration = False
    enrollment.authenticated_at, enrollment.enrolled_at, enrollment.ended_at = work.now, None, None
    enrollment.erased_at = None
    work.session.flush()
    PushTargetRepository(work.session).delete_push_targets([enrollment.id])
    repository.delete_declarative_state(enrollment.id)


def readopt_enrollment(work: UnitOfWork, enrollment: DeviceEnrollment, fingerprint: str) -> None:
    """Make an enrollment enrolled in its next generation, pinned to another certificate: the tablet is what it was before.

    Its push token is kept, because the tablet sends it again only when it changes; its declarations are announced anew.
    """
    repository = DeviceRepository(work.session)
    enrollment.generation += 1
    enrollment.state = EnrollmentState.ENROLLED
    enrollment.enrolled_at, enrollment.ended_at, enrollment.erased_at = work.now, None, None
    work.session.flush()
    repository.pin_certificate(enrollment.id, fingerprint)
    repository.delete_declarative_state(enrollment.id)
    repository.create_last_seen(enrollment.id, work.now)


def get_or_create_user_enrollment(work: UnitOfWork, device: DeviceEnrollment, channel_key: str, topic: str) -> DeviceEnrollment:
    """Return the enrollment of a Shared iPad user, enrolled and pinned like its device; a user who is new or had left gets one."""
    repository = DeviceRepository(work.session)
    user_enrollment = repository.get_by_channel_key(channel_key, lock=True)
    if user_enrollment is None:
        user_enrollment = DeviceEnrollment(
            town_id=device.town_id,
            tablet_id=device.tablet_id,
            parent_id=device.id,
            channel_key=channel_key,
            udid=device.udid,
            generation=1,
            fingerprint=device.fingerprint,
            topic=topic[:255],
            authenticated_at=work.now,
            state=EnrollmentState.ENROLLED,
            enrolled_at=work.now,
        )
        work.session.add(user_enrollment)
        work.session.flush()
        repository.create_last_seen(user_enrollment.id, work.now)
    if user_enrollment.state is not EnrollmentState.ENROLLED:
        user_enrollment.generation += 1  # commands and results of the former one do not concern it
    user_enrollment.state, user_enrollment.ended_at = EnrollmentState.ENROLLED, None
    user_enrollment.tablet_id, user_enrollment.town_id = device.tablet_id, device.town_id
    user_enrollment.fingerprint = device.fingerprint
    return user_enrollment


def record_erase(work: UnitOfWork, enrollment_id: int) -> None:
    """Record that a tablet erases itself: no command goes to this generation any more, and what it had reported is forgotten."""
    repository = DeviceRepository(work.session)
    enrollment = repository.get_enrollment(enrollment_id)
    if enrollment is not None:
        enrollment.erased_at = work.now
        work.session.flush()
        repository.delete_declarative_state(enrollment.id)


def record_return(enrollment: DeviceEnrollment) -> None:
    """Record that a tablet is in contact: one that acknowledged an erase before was not erased."""
    enrollment.erased_at = None


def end_enrollment(work: UnitOfWork, enrollment: DeviceEnrollment, state: EnrollmentState) -> None:
    """End an enrollment with this state. Its push token is deleted, its history stays."""
    enrollment.state, enrollment.ended_at = state, work.now
    work.session.flush()
    PushTargetRepository(work.session).delete_push_targets([enrollment.id])
