"""Pure rules of readoption: whether a certificate that the database lost may continue an enrollment that it knows."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from enrollment.identity.models import DeviceCertificate
from enrollment.identity.recovering import LostCertificate
from mdm.devices.models import DeviceEnrollment

#: The CommandUUID of the question for the serial number. It is no command of the queue, whose UUIDs are of another version.
SERIAL_QUESTION = "CA47AB1E-0000-4000-8000-5E71A1000000"
#: Time between two alarms about tablets of a restore in the same town.
REMIND_AFTER = timedelta(days=1)


def is_same_tablet(
    lost: LostCertificate, device: DeviceEnrollment, pinned: DeviceCertificate | None, *, invitation_town_id: UUID | None
) -> bool:
    """Return whether a lost certificate continues this enrollment: issued later, and for no other tablet or town.

    `pinned` is the certificate that the database knows for it, `invitation_town_id` the town of the certificate's invitation if the
    database knows that.
    """
    if lost.tablet_id is not None and lost.tablet_id != device.tablet_id:
        return False
    if invitation_town_id is not None and invitation_town_id != device.town_id:
        return False
    is_newer = pinned is None or lost.issued_at >= pinned.issued_at.replace(microsecond=0)
    return is_newer and (device.ended_at is None or lost.issued_at >= device.ended_at.replace(microsecond=0))
