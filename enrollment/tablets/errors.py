"""Refusals of the inventory and of custody."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Message


class TabletNotFound(NotFound):
    """No such tablet in the caller's reach."""

    code = "tablet_not_found"
    message = Message("This tablet was not found.")


class TransitionNotAllowed(Conflict):
    """The life cycle does not allow the change."""

    code = "tablet_wrong_state"
    message = Message("A tablet that is '{before}' cannot become '{after}'.")


class PupilHasTablet(Conflict):
    """One active loan per pupil."""

    code = "pupil_has_tablet"
    message = Message("This pupil already has a tablet on loan.")


class UnderEvidenceHold(Conflict):
    """The tablet is kept as evidence."""

    code = "evidence_hold"
    message = Message("This tablet is kept as evidence.")


class AgreementMissing(Conflict):
    """The loan agreement is not signed, and the pupil takes the tablet home."""

    code = "agreement_missing"
    message = Message("The loan agreement is not signed; without it the tablet stays at school.")


class TabletNotAvailable(Conflict):
    """The tablet cannot be lent as it is."""

    code = "tablet_not_free"
    message = Message("A tablet that is '{state}' cannot be lent.")


class TabletNotWiped(Conflict):
    """What another child made is still on the tablet."""

    code = "tablet_not_wiped"
    message = Message("Another child has used this tablet: erase it first.")


class NoOpenLoan(Conflict):
    """The tablet is in nobody's hands."""

    code = "no_open_loan"
    message = Message("This tablet is not on loan.")


class SerialNotOrdered(NotFound):
    """The serial number is in no order of the town."""

    code = "serial_not_ordered"
    message = Message("This serial number is in no order of the town.")


class TagTaken(Conflict):
    """Another tablet of the town has the tag."""

    code = "tag_taken"
    message = Message("Another tablet has this tag.")


class SerialAlreadyExists(Conflict):
    """The serial number is in the inventory, here or in another town."""

    code = "serial_known"
    message = Message("This serial number is known already.")


class TabletOfAnotherTown(Conflict):
    """The tablet belongs to another town in which this person also works today; of any other town nothing is said."""

    code = "other_town"
    message = Message("This tablet belongs to another town: {town}.")


class NoOpenIncident(Conflict):
    """No incident of that kind is open."""

    code = "no_open_incident"
    message = Message("No incident of this kind is open for this tablet.")


class WriteOffTooEarly(Conflict):
    """A loss is written off after sixty days, or by a decision."""

    code = "write_off_too_early"
    message = Message("A loss is written off after {days} days, or by a decision with its reason.")


class SecondPersonRequired(Forbidden):
    """Nobody approves what he asked for himself."""

    code = "same_person"
    message = Message("Another person must approve.")


class RequestIdReused(Conflict):
    """The request id has served for something else."""

    code = "request_id_reused"
    message = Message("This request id has served for something else.")


class UnknownScan(Invalid):
    """What was scanned is no tag and no serial number of the town."""

    code = "unknown_scan"
    message = Message("Neither a tag nor a serial number that is known here.")


class CartNotFound(NotFound):
    """No such cart, or no such slot in it, in the caller's reach."""

    code = "cart_not_found"
    message = Message("This cart or slot was not found.")
