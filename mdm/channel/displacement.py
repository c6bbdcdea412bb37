"""Whether a device that enrolls would take the place of another one that is enrolled. It changes nothing but what people are told.

Whoever holds an invitation chooses which serial number and UDID to claim, and serial numbers stand on the backs of tablets. See
docs/domain/protocol.md#claimed-identifiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cartable.alarms import AlarmKind, raise_alarm_of_refusal
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.verifier import KnownCertificate
from enrollment.joining.errors import EnrollmentRefusal, NotInvited
from enrollment.tablets.models import Tablet
from enrollment.tablets.rules import MAY_HAVE_NEW_BOARD
from mdm.devices.models import DeviceEnrollment, EnrollmentState

REPEAT_ALARM_AFTER = timedelta(hours=1)


def check_displacement(
    work: UnitOfWork,
    certificate: KnownCertificate,
    tablet: Tablet,
    same_udid: DeviceEnrollment | None,
    same_tablet: Sequence[DeviceEnrollment],
) -> None:
    """Raise `NotInvited`, and alarm the town, when the device claims what an enrolled tablet has: its UDID, or its serial number.

    `certificate` is as it was before this enrollment, `tablet` what it would enroll as. `same_udid` has the UDID of the device,
    `same_tablet` are the open enrollments of `tablet` under another UDID.
    """
    if certificate.udid is not None:
        return  # Apple has attested both numbers
    if same_udid is not None and same_udid.tablet_id != tablet.id:
        owner = work.session.get_one(Tablet, same_udid.tablet_id)
        if is_claimed_udid(same_udid, owner):
            raise _reject(work, certificate, tablet, owner, EnrollmentRefusal.UDID_OF_ANOTHER)
    if certificate.tablet_id is None and any(is_claimed_serial(tablet, former) for former in same_tablet):
        raise _reject(work, certificate, tablet, tablet, EnrollmentRefusal.SERIAL_ENROLLED)


def is_claimed_udid(enrollment: DeviceEnrollment, owner: Tablet) -> bool:
    """Return whether an enrollment keeps its UDID from a device with another serial number than its tablet `owner`.

    A tablet that had sent no serial number is in the inventory under its UDID, and may send one when it enrolls again.
    """
    is_open = enrollment.state in (EnrollmentState.PENDING, EnrollmentState.ENROLLED)
    return is_open and owner.serial.upper() != enrollment.udid[:64].upper()


def is_claimed_serial(tablet: Tablet, enrollment: DeviceEnrollment) -> bool:
    """Return whether an open enrollment keeps the serial number of its tablet from a device with another UDID.

    A new logic board gives a tablet a new UDID, so a tablet in repair or repaired may have one; so may one that was just erased.
    """
    return tablet.state not in MAY_HAVE_NEW_BOARD and enrollment.erased_at is None


def _reject(
    work: UnitOfWork, certificate: KnownCertificate, tablet: Tablet, owner: Tablet, reason: EnrollmentRefusal
) -> NotInvited:
    details = {"tag": owner.tag, "tablet_id": str(owner.id), "reason": reason.value}
    if certificate.invitation_id is not None and tablet.town_id == owner.town_id:
        details["invitation_id"] = str(certificate.invitation_id)
    raise_alarm_of_refusal(work, owner.town_id, AlarmKind.TABLET_CLAIMED, repeat_after=REPEAT_ALARM_AFTER, **details)
    return NotInvited(why=reason.value)
