"""The life cycle of an enrollment: Authenticate starts a generation, TokenUpdate completes it, CheckOut or retirement ends it.

See docs/domain/protocol.md#check-in-messages.
"""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import DomainError
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.errors import UntrustedCertificate
from enrollment.identity.verifier import get_known_certificate
from enrollment.joining import reservations
from enrollment.joining.device_kind import DeviceDescription, check_device
from enrollment.joining.enrollment_matching import resolve_tablet
from enrollment.joining.errors import EnrollmentRefusal, NotInvited
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.service import TabletDetails
from mdm.channel.errors import DeviceRequestRejected, InvitationRefusal, RejectionReason
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import Authenticate, TokenUpdate
from mdm.queue.repository import QueueRepository


def handle_authenticate(work: UnitOfWork, message: Authenticate, fingerprint: str) -> None:
    """Start a new enrollment generation for a tablet that may enroll. Raises `DeviceRequestRejected`.

    A tablet without invitation gets 403, which harms nothing since it is not enrolled yet. 401 is never sent.
    """
    repository = ChannelRepository(work.session)
    key = message.ids.device_key
    if repository.is_pinned_elsewhere(fingerprint, key):
        raise DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE, "pinned for another tablet")
    try:
        certificate = get_known_certificate(work, fingerprint)
    except UntrustedCertificate as error:
        raise DeviceRequestRejected(RejectionReason.UNTRUSTED, error.reason.value) from error
    device = build_device_description(message)
    try:
        if certificate.tablet_id is None:  # a tablet of the inventory enrolls again, whatever its system
            check_device(work.settings, device)
        tablet = resolve_tablet(work, certificate, message.serial_number, key, _build_tablet_details(message))
    except NotInvited as error:
        refusal = None
        if certificate.invitation_id is not None:
            refusal = InvitationRefusal(certificate.invitation_id, EnrollmentRefusal(str(error.details["why"])), device.label)
        raise DeviceRequestRejected(
            RejectionReason.NOT_INVITED, str(error.details["why"]), status=403, invitation_refusal=refusal
        ) from error
    except DomainError as error:  # e.g. its custody does not allow it: an answer, not a server error
        raise DeviceRequestRejected(RejectionReason.NOT_INVITED, error.code, status=403) from error
    for former_enrollment in repository.list_other_device_enrollments(tablet.id, key):
        _end_enrollment(work, repository, former_enrollment)
    enrollment = repository.get_by_channel_key(key, lock=True)
    if enrollment is None:
        enrollment = _create_enrollment(work, tablet, message, fingerprint)
    else:
        _start_next_generation(work, repository, enrollment, tablet, message, fingerprint)
    repository.create_last_seen(enrollment.id, work.now)
    audit.record_event(
        work, SYSTEM, "tablet.authenticate", "tablet", tablet.id, town_id=tablet.town_id, generation=enrollment.generation
    )


def _create_enrollment(work: UnitOfWork, tablet: Tablet, message: Authenticate, fingerprint: str) -> DeviceEnrollment:
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


def _start_next_generation(
    work: UnitOfWork,
    repository: ChannelRepository,
    enrollment: DeviceEnrollment,
    tablet: Tablet,
    message: Authenticate,
    fingerprint: str,
) -> None:
    """Start the next generation: end the former one's open commands and delete its tokens. Its history stays."""
    enrollment.generation += 1
    enrollment.tablet_id, enrollment.town_id = tablet.id, tablet.town_id
    enrollment.state = EnrollmentState.PENDING
    enrollment.fingerprint, enrollment.next_fingerprint = fingerprint, None
    enrollment.topic = message.topic[:255]
    enrollment.unlock_token = enrollment.bootstrap_token = None
    enrollment.awaiting_configuration = False
    enrollment.authenticated_at, enrollment.enrolled_at, enrollment.ended_at = work.now, None, None
    work.session.flush()
    if QueueRepository(work.session).end_former_generations(enrollment.id, enrollment.generation, work.now):
        tablets.record_wipe(work, tablet.id)
    repository.delete_push_targets([enrollment.id])
    repository.delete_declarative_state(enrollment.id)
    for user_enrollment in repository.list_user_enrollments(enrollment.id):
        _end_enrollment(work, repository, user_enrollment)


def handle_token_update(work: UnitOfWork, message: TokenUpdate, sender: DeviceEnrollment) -> None:
    """Store push token and magic. The first TokenUpdate on the device channel completes the enrollment."""
    repository = ChannelRepository(work.session)
    enrollment = sender
    if message.ids.is_user_channel:
        enrollment = _get_or_create_user_enrollment(work, repository, message, sender)
    repository.save_push_token(enrollment.id, message.token, message.push_magic, message.topic, work.now)
    if message.unlock_token is not None:
        enrollment.unlock_token = message.unlock_token
    if message.awaiting_configuration is not None:
        enrollment.awaiting_configuration = message.awaiting_configuration
        if message.awaiting_configuration and enrollment.state is EnrollmentState.PENDING:
            tablets.record_wipe(work, enrollment.tablet_id)  # in the Setup Assistant a tablet holds no data of a child
            reservations.apply_reservation(work, work.session.get_one(Tablet, enrollment.tablet_id))
    if enrollment.state is EnrollmentState.PENDING:
        enrollment.state, enrollment.enrolled_at = EnrollmentState.ENROLLED, work.now
        work.enqueue_job(Topic.ENROLLED, enrollment.id)
        audit.record_event(work, SYSTEM, "tablet.enrolled", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)


def _get_or_create_user_enrollment(
    work: UnitOfWork, repository: ChannelRepository, message: TokenUpdate, sender: DeviceEnrollment
) -> DeviceEnrollment:
    """Return the enrollment of a Shared iPad user; the user's first TokenUpdate creates it."""
    device = sender if sender.parent_id is None else work.session.get_one(DeviceEnrollment, sender.parent_id)
    user_enrollment = repository.get_by_channel_key(message.ids.channel_key, lock=True)
    if user_enrollment is None:
        user_enrollment = DeviceEnrollment(
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
        work.session.add(user_enrollment)
        work.session.flush()
        repository.create_last_seen(user_enrollment.id, work.now)
    user_enrollment.state, user_enrollment.ended_at = EnrollmentState.ENROLLED, None
    user_enrollment.fingerprint = device.fingerprint
    return user_enrollment


def handle_check_out(work: UnitOfWork, enrollment: DeviceEnrollment) -> None:
    """End the enrollment of a tablet that has removed its enrollment profile. Open commands are superseded, the tablet stays."""
    repository = ChannelRepository(work.session)
    audit.record_event(work, SYSTEM, "tablet.check_out", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    for user_enrollment in repository.list_user_enrollments(enrollment.id):
        _end_enrollment(work, repository, user_enrollment)
    _end_enrollment(work, repository, enrollment)


def retire_enrollments(work: UnitOfWork, tablet_id: UUID) -> None:
    """End all enrollments of a tablet that a person retires.

    Only then is a tablet told to unenroll (docs/domain/protocol.md#status-codes).
    """
    repository = ChannelRepository(work.session)
    for enrollment in repository.list_enrollments_of_tablet(tablet_id):
        _end_enrollment(work, repository, enrollment)
        enrollment.state = EnrollmentState.RETIRED


def _end_enrollment(work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment) -> None:
    enrollment.state, enrollment.ended_at = EnrollmentState.CHECKED_OUT, work.now
    work.session.flush()
    QueueRepository(work.session).end_former_generations(enrollment.id, enrollment.generation + 1, work.now)
    repository.delete_push_targets([enrollment.id])


def _build_tablet_details(message: Authenticate) -> TabletDetails:
    return TabletDetails(
        product_name=_truncate(message.product_name, 40),
        model_name=_truncate(message.model_name, 80),
        os_version=_truncate(message.os_version, 24),
        build_version=_truncate(message.build_version, 24),
    )


def build_device_description(message: Authenticate) -> DeviceDescription:
    """Return what a device says about itself in Authenticate."""
    return DeviceDescription(
        product_name=message.product_name,
        model_name=message.model_name,
        model=message.model,
        os_version=message.os_version,
        build_version=message.build_version,
    )


def _truncate(text: str | None, length: int) -> str | None:
    return text[:length] if text else None
