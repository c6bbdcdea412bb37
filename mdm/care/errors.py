"""Refusals of care."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, NotFound
from cartable.i18n import Words


class NotEnrolled(Conflict):
    """The tablet is not managed at present: nothing can be sent to it."""

    code = "tablet_not_enrolled"
    words = Words(fr="Cette tablette n'est pas inscrite.", en="This tablet is not enrolled.")


class NotLost(Conflict):
    """The act needs a lost tablet."""

    code = "tablet_not_lost"
    words = Words(fr="Cette tablette n'est pas marquée perdue.", en="This tablet is not marked as lost.")


class LostNotConfirmed(Conflict):
    """The tablet has not confirmed lost mode yet: its position cannot be asked."""

    code = "lost_not_confirmed"
    words = Words(
        fr="La position ne se demande qu'après la confirmation du mode perdu par la tablette.",
        en="The position can only be asked once the tablet has confirmed lost mode.",
    )


class OwnRequest(Forbidden):
    """Nobody approves a request of his own."""

    code = "own_request"
    words = Words(fr="Une autre personne doit approuver cette demande.", en="Another person must approve this request.")


class CallBackNeeded(Conflict):
    """A loss is ended from afar only after a call to a number that was known before."""

    code = "call_back_needed"
    words = Words(
        fr="Rappelez d'abord la famille à un numéro déjà connu, ou scannez la tablette.",
        en="First call the family back on a number that was known before, or scan the tablet.",
    )


class ScanNeeded(Conflict):
    """A stolen tablet is believed to be back when somebody of the town holds it."""

    code = "scan_needed"
    words = Words(
        fr="Une tablette volée n'est rendue que scannée en main par un agent de la ville.",
        en="A stolen tablet is back only when somebody of the town has scanned it.",
    )


class NotInCampaign(Conflict):
    """An act in bulk wipes only what was given back in an open return campaign."""

    code = "not_in_return_campaign"
    words = Words(
        fr="{count} de ces tablettes n'ont pas été rendues dans une campagne de retour ouverte.",
        en="{count} of these tablets were not given back in an open return campaign.",
    )


class BulkNotFound(NotFound):
    """No such erase in the caller's reach."""

    code = "bulk_erase_not_found"
    words = Words(fr="Cet effacement groupé est introuvable.", en="This erase in bulk was not found.")


class BulkOver(Conflict):
    """It was cancelled, or its orders have left."""

    code = "bulk_erase_over"
    words = Words(fr="Cet effacement groupé est annulé ou déjà parti.", en="This erase in bulk was cancelled or has left.")


class PositionUnknown(NotFound):
    """No such request in the caller's reach."""

    code = "position_request_not_found"
    words = Words(fr="Cette demande est introuvable.", en="This request was not found.")


class Stopped(Conflict):
    """The town's stop switch for destructive commands is thrown."""

    code = "destructive_stopped"
    words = Words(
        fr="Les commandes destructives sont arrêtées dans cette ville.", en="Destructive commands are stopped in this town."
    )


class QuotaReached(Conflict):
    """Too many erases in too short a time."""

    code = "erase_quota"
    status = 429
    words = Words(fr="Quota d'effacements atteint ({limit}).", en="The quota of erases is reached ({limit}).")
