"""Refusals of the inventory and of custody."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Words


class TabletNotFound(NotFound):
    """No such tablet in the caller's reach."""

    code = "tablet_not_found"
    words = Words(fr="Cette tablette est introuvable.", en="This tablet was not found.")


class WrongState(Conflict):
    """The life cycle does not allow the change."""

    code = "tablet_wrong_state"
    words = Words(
        fr="Une tablette dans l'état « {before} » ne peut pas passer à « {after} ».",
        en="A tablet that is '{before}' cannot become '{after}'.",
    )


class PupilHasTablet(Conflict):
    """One active loan per pupil."""

    code = "pupil_has_tablet"
    words = Words(fr="Cet élève a déjà une tablette en prêt.", en="This pupil already has a tablet on loan.")


class OnHold(Conflict):
    """The tablet is kept as evidence."""

    code = "evidence_hold"
    words = Words(
        fr="Cette tablette est conservée comme preuve.",
        en="This tablet is kept as evidence.",
    )


class AgreementMissing(Conflict):
    """The loan agreement is not signed, and the pupil takes the tablet home."""

    code = "agreement_missing"
    words = Words(
        fr="La convention de prêt n'est pas signée ; sans elle, la tablette reste à l'école.",
        en="The loan agreement is not signed; without it the tablet stays at school.",
    )


class NotFree(Conflict):
    """The tablet cannot be lent as it is."""

    code = "tablet_not_free"
    words = Words(
        fr="Une tablette dans l'état « {state} » ne peut pas être prêtée.",
        en="A tablet that is '{state}' cannot be lent.",
    )


class NotWiped(Conflict):
    """What another child made is still on the tablet."""

    code = "tablet_not_wiped"
    words = Words(
        fr="Un autre enfant s'est servi de cette tablette : effacez-la d'abord.",
        en="Another child has used this tablet: erase it first.",
    )


class NoLoan(Conflict):
    """The tablet is in nobody's hands."""

    code = "no_open_loan"
    words = Words(
        fr="Cette tablette n'est prêtée à personne.",
        en="This tablet is not on loan.",
    )


class NotOrdered(NotFound):
    """The serial number is in no order of the town."""

    code = "serial_not_ordered"
    words = Words(
        fr="Ce numéro de série n'est dans aucune commande de la ville.",
        en="This serial number is in no order of the town.",
    )


class TagTaken(Conflict):
    """Another tablet of the town has the tag."""

    code = "tag_taken"
    words = Words(
        fr="Une autre tablette porte déjà cette étiquette.",
        en="Another tablet has this tag.",
    )


class SerialKnown(Conflict):
    """The serial number is in the inventory, here or in another town."""

    code = "serial_known"
    words = Words(
        fr="Ce numéro de série est déjà connu.",
        en="This serial number is known already.",
    )


class OtherTown(Conflict):
    """The tablet belongs to another town in which this person also works today; of any other town nothing is said."""

    code = "other_town"
    words = Words(
        fr="Cette tablette est celle d'une autre ville : {town}.",
        en="This tablet belongs to another town: {town}.",
    )


class NoIncident(Conflict):
    """No incident of that kind is open."""

    code = "no_open_incident"
    words = Words(
        fr="Aucun incident de cette sorte n'est ouvert pour cette tablette.",
        en="No incident of this kind is open for this tablet.",
    )


class TooEarly(Conflict):
    """A loss is written off after sixty days, or by a decision."""

    code = "write_off_too_early"
    words = Words(
        fr="Une perte est passée en écritures après {days} jours, ou par une décision motivée.",
        en="A loss is written off after {days} days, or by a decision with its reason.",
    )


class SamePerson(Forbidden):
    """Nobody approves what he asked for himself."""

    code = "same_person"
    words = Words(
        fr="Une autre personne doit approuver.",
        en="Another person must approve.",
    )


class RequestReused(Conflict):
    """The request id has served for something else."""

    code = "request_id_reused"
    words = Words(
        fr="Cet identifiant de demande a déjà servi à autre chose.",
        en="This request id has served for something else.",
    )


class UnknownScan(Invalid):
    """What was scanned is no tag and no serial number of the town."""

    code = "unknown_scan"
    words = Words(
        fr="Ni étiquette ni numéro de série connu ici.",
        en="Neither a tag nor a serial number that is known here.",
    )


class CartNotFound(NotFound):
    """No such cart, or no such slot in it, in the caller's reach."""

    code = "cart_not_found"
    words = Words(fr="Ce chariot ou cette place est introuvable.", en="This cart or slot was not found.")
