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
from mdm.channel.displacement import check_displacement
from mdm.channel.errors import DeviceRequestRejected, InvitationRefusal, RejectionReason
from mdm.channel.limits import MAX_PUSH_MAGIC, MAX_PUSH_TOKEN, MAX_UNLOCK_TOKEN, MAX_USER_CHANNELS
from mdm.devices import service as devices
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.devices.repository import DeviceRepository
from mdm.protocol.checkin import Authenticate, TokenUpdate
from mdm.push.repository import PushRepository
from mdm.queue.models import EndReason
from mdm.queue.repository import QueueRepository


def handle_authenticate(work: UnitOfWork, message: Authenticate, fingerprint: str) -> None:
    """Start a new enrollment generation for a tablet that may enroll. Raises `DeviceRequestRejected`.

    A device without invitation, or that claims what an enrolled tablet has, gets 403, which harms nothing: it is not enrolled yet.
    401 is never sent.
    """
    repository = DeviceRepository(work.session)
    key = message.ids.device_key
    if repository.is_pinned_elsewhere(fingerprint, key):
        raise DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE, "pinned for another tablet")
    try:
        certificate = get_known_certificate(work, fingerprint)
    except UntrustedCertificate as error:
        raise DeviceRequestRejected(RejectionReason.UNTRUSTED, error.reason.value) from error
    _check_topic(work, message)
    device = build_device_description(message)
    try:
        if certificate.tablet_id is None:  # a tablet of the inventory enrolls again, whatever its system
            check_device(work.settings, device)
        tablet = resolve_tablet(work, certificate, message.serial_number, key, _build_tablet_details(message))
        former_enrollments = repository.list_other_device_enrollments(tablet.id, key)
        enrollment = repository.get_by_channel_key(key, lock=True)
        check_displacement(work, certificate, tablet, enrollment, former_enrollments)
    except NotInvited as error:
        refusal = None
        if certificate.invitation_id is not None:
            refusal = InvitationRefusal(certificate.invitation_id, EnrollmentRefusal(str(error.details["why"])), device.label)
        raise DeviceRequestRejected(
            RejectionReason.NOT_INVITED, str(error.details["why"]), status=403, invitation_refusal=refusal
        ) from error
    except DomainError as error:  # e.g. its custody does not allow it: an answer, not a server error
        raise DeviceRequestRejected(RejectionReason.NOT_INVITED, error.code, status=403) from error
    for former_enrollment in former_enrollments:
        _end_enrollment(work, former_enrollment, EnrollmentState.CHECKED_OUT, EndReason.ANOTHER_UDID)
    if enrollment is None:
        enrollment = devices.create_enrollment(work, tablet, message.ids, fingerprint, message.topic)
    else:
        devices.start_next_generation(work, enrollment, tablet, fingerprint, message.topic)
        _end_former_commands(work, enrollment)
        _end_user_enrollments(work, enrollment, EnrollmentState.CHECKED_OUT, EndReason.ENROLLED_AGAIN)
    repository.create_last_seen(enrollment.id, work.now)
    audit.record_event(
        work, SYSTEM, "tablet.authenticate", "tablet", tablet.id, town_id=tablet.town_id, generation=enrollment.generation
    )


def _check_topic(work: UnitOfWork, message: Authenticate) -> None:
    """Raise `DeviceRequestRejected` for a topic that no push certificate of this server ever had."""
    topics = PushRepository(work.session).list_topics()
    if topics and message.topic not in topics:
        raise DeviceRequestRejected(RejectionReason.WRONG_TOPIC, message.topic[:80])


def _end_former_commands(work: UnitOfWork, enrollment: DeviceEnrollment) -> None:
    """End the open commands of the former generations. If a sent erase was among them, the tablet is recorded as wiped."""
    queue = QueueRepository(work.session)
    was_erased = queue.acknowledge_sent_erase(enrollment.id, enrollment.generation, work.now)
    queue.end_former_generations(enrollment.id, enrollment.generation, EndReason.ENROLLED_AGAIN, work.now)
    if was_erased:
        tablets.record_wipe(work, enrollment.tablet_id)


def handle_token_update(work: UnitOfWork, message: TokenUpdate, sender: DeviceEnrollment) -> None:
    """Store push token and magic. The first TokenUpdate on the device channel completes the enrollment.

    `sender` is the enrollment of the device; on the user channel the user's own enrollment is created or revived.
    """
    _check_token_update(message, sender)
    enrollment = sender
    if message.ids.is_user_channel:
        _check_user_channels(work, message, sender)
        enrollment = devices.get_or_create_user_enrollment(work, sender, message.ids.channel_key, message.topic)
    PushTargetRepository(work.session).save_push_token(
        enrollment.id, message.token, message.push_magic, message.topic[:255], work.now
    )
    if message.unlock_token is not None and len(message.unlock_token) <= MAX_UNLOCK_TOKEN:
        enrollment.unlock_token = message.unlock_token
    if message.awaiting_configuration is not None:
        enrollment.awaiting_configuration = message.awaiting_configuration
        if message.awaiting_configuration and enrollment.state is EnrollmentState.PENDING:
            tablets.record_wipe(work, enrollment.tablet_id)  # in the Setup Assistant a tablet holds no data of a child
            reservations.apply_reservation(work, work.session.get_one(Tablet, enrollment.tablet_id))
    devices.record_return(enrollment)
    if enrollment.state is EnrollmentState.PENDING:
        enrollment.state, enrollment.enrolled_at = EnrollmentState.ENROLLED, work.now
        work.enqueue_job(Topic.ENROLLED, enrollment.id)
        audit.record_event(work, SYSTEM, "tablet.enrolled", "tablet", enrollment.tablet_id, town_id=enrollment.town_id)


def _check_token_update(message: TokenUpdate, sender: DeviceEnrollment) -> None:
    """Raise `DeviceRequestRejected` for another topic than that of the enrollment, for a token that APNs cannot have given, and for an
    empty push magic.

    A push with a foreign topic would be refused as our mistake, for all tablets. A tablet ignores every push without its magic: what is
    stored may still reach it.
    """
    if message.topic[:255] != sender.topic:
        raise DeviceRequestRejected(RejectionReason.WRONG_TOPIC, message.topic[:80])
    if not (0 < len(message.token) <= MAX_PUSH_TOKEN and 0 < len(message.push_magic) <= MAX_PUSH_MAGIC):
        raise DeviceRequestRejected(RejectionReason.TOO_LARGE, "Token")


def _check_user_channels(work: UnitOfWork, message: TokenUpdate, device: DeviceEnrollment) -> None:
    """Raise `DeviceRequestRejected` for one more user than a tablet may have."""
    users = DeviceRepository(work.session).list_user_enrollments(device.id)
    if len(users) >= MAX_USER_CHANNELS and all(user.channel_key != message.ids.channel_key for user in users):
        raise DeviceRequestRejected(RejectionReason.TOO_MANY_USERS)


def handle_check_out(work: UnitOfWork, enrollment: DeviceEnrollment) -> None:
    """End the enrollment that sends CheckOut: that of a tablet with its users, or of one user alone. The tablet stays.

    A tablet sends it when its enrollment profile was removed, which is no proof that it was erased.
    """
    action = "tablet.check_out" if enrollment.parent_id is None else "tablet.user_check_out"
    audit.record_event(work, SYSTEM, action, "tablet", enrollment.tablet_id, town_id=enrollment.town_id)
    _end_user_enrollments(work, enrollment, EnrollmentState.CHECKED_OUT, EndReason.CHECKED_OUT)
    _end_enrollment(work, enrollment, EnrollmentState.CHECKED_OUT, EndReason.CHECKED_OUT)


def retire_enrollments(work: UnitOfWork, tablet_id: UUID) -> None:
    """End all enrollments of a tablet that a person retires.

    Only then is a tablet told to unenroll (docs/domain/protocol.md#status-codes).
    """
    for enrollment in DeviceRepository(work.session).list_enrollments_of_tablet(tablet_id):
        _end_enrollment(work, enrollment, EnrollmentState.RETIRED, EndReason.RETIRED)


def _end_user_enrollments(work: UnitOfWork, device: DeviceEnrollment, state: EnrollmentState, reason: EndReason) -> None:
    for user_enrollment in DeviceRepository(work.session).list_user_enrollments(device.id):
        if user_enrollment.state is not EnrollmentState.CHECKED_OUT:
            _end_enrollment(work, user_enrollment, state, reason)


def _end_enrollment(work: UnitOfWork, enrollment: DeviceEnrollment, state: EnrollmentState, reason: EndReason) -> None:
    devices.end_enrollment(work, enrollment, state)
    QueueRepository(work.session).end_former_generations(enrollment.id, enrollment.generation + 1, reason, work.now)


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
