"""Errors of the inventory and of custody."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class TabletNotFound(NotFound):
    """The tablet does not exist, or the caller may not see it."""

    code = "tablet_not_found"
    message = Message("This tablet was not found.")


class TransitionNotAllowed(Conflict):
    """The life cycle does not allow this change of state."""

    code = "tablet_wrong_state"
    message = Message("A tablet that is '{before}' cannot become '{after}'.")


class PupilHasTablet(Conflict):
    """The pupil has an open loan of another tablet, or the tablet has an open loan."""

    code = "pupil_has_tablet"
    message = Message("This pupil already has a tablet on loan.")


class StaffMemberHasTablet(Conflict):
    """The member of staff has another tablet."""

    code = "staff_member_has_tablet"
    message = Message("This person has another tablet.")


class UnderEvidenceHold(Conflict):
    """The tablet is under an evidence hold."""

    code = "evidence_hold"
    message = Message("This tablet is kept as evidence.")


class AgreementMissing(Conflict):
    """The pupil takes the tablet home and the loan agreement is not signed."""

    code = "agreement_missing"
    message = Message("The loan agreement is not signed; without it the tablet stays at school.")


class TabletNotAvailable(Conflict):
    """The tablet is in a state in which it cannot be lent."""

    code = "tablet_not_free"
    message = Message("A tablet that is '{state}' cannot be lent.")


class TabletNotWiped(Conflict):
    """Another child has used the tablet since it was last erased."""

    code = "tablet_not_wiped"
    message = Message("Another child has used this tablet: erase it first.")


class NoOpenLoan(Conflict):
    """The tablet has no open loan."""

    code = "no_open_loan"
    message = Message("This tablet is not on loan.")


class SerialNotOrdered(NotFound):
    """The serial number is in no purchase order of the town."""

    code = "serial_not_ordered"
    message = Message("This serial number is in no order of the town.")


class TagTaken(Conflict):
    """Another tablet of the town has this tag."""

    code = "tag_taken"
    message = Message("Another tablet has this tag.")


class SerialAlreadyExists(Conflict):
    """The serial number is already in the inventory of this or another town."""

    code = "serial_known"
    message = Message("This serial number is known already.")


class TabletOfAnotherTown(Conflict):
    """The tablet belongs to another town that the caller may also see. Other towns are never named."""

    code = "other_town"
    message = Message("This tablet belongs to another town: {town}.")


class IncidentNotFound(NotFound):
    """No such incident is visible to the caller."""

    code = "incident_not_found"
    message = Message("This incident was not found.")


class NoOpenIncident(Conflict):
    """The tablet has no open incident of this kind."""

    code = "no_open_incident"
    message = Message("No incident of this kind is open for this tablet.")


class WriteOffTooEarly(Conflict):
    """A loss is written off after `rules.WRITE_OFF_AFTER_DAYS`, or earlier with a reasoned decision."""

    code = "write_off_too_early"
    message = Message("A loss is written off after {days} days, or by a decision with its reason.")


class RequestIdReused(Conflict):
    """The request id was used before with other fields."""

    code = "request_id_reused"
    message = Message("This request id has served for something else.")


class UnknownScan(Invalid):
    """The scanned text is neither a tag nor a serial number of the town."""

    code = "unknown_scan"
    message = Message("Neither a tag nor a serial number that is known here.")


class CartNotFound(NotFound):
    """The cart or the slot does not exist, or the caller may not see it."""

    code = "cart_not_found"
    message = Message("This cart or slot was not found.")
