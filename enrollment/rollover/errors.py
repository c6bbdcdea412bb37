"""Refusals of the passage from one school year to the next."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Words


class RolloverUnknown(NotFound):
    """No such passage in the caller's reach."""

    code = "rollover_not_found"
    words = Words(fr="Ce passage d'année est introuvable.", en="This rollover was not found.")


class RolloverClosed(Conflict):
    """The passage is closed: nothing of it changes any more."""

    code = "rollover_closed"
    words = Words(fr="Ce passage d'année est clos.", en="This rollover is closed.")


class TooEarly(Conflict):
    """Levels change on 1 September, not before."""

    code = "rollover_too_early"
    words = Words(fr="Les niveaux changent le 1er septembre, pas avant.", en="Levels change on 1 September, not before.")


class NotApplied(Conflict):
    """The act needs a passage that was applied, whole."""

    code = "rollover_not_applied"
    words = Words(fr="Ce passage d'année n'a pas été appliqué en entier.", en="This rollover has not been applied as a whole.")


class AlreadyApplied(Conflict):
    """What is in force is undone first."""

    code = "rollover_applied"
    words = Words(
        fr="Le passage de ces élèves est déjà appliqué : annulez-le d'abord.",
        en="The passage of these pupils is in force: undo it first.",
    )


class NotToBeSaid(Invalid):
    """Some lots are facts of rosters and cannot be chosen by hand."""

    code = "decision_not_to_be_said"
    words = Words(fr="Cette décision ne se coche pas.", en="This decision cannot be ticked.")


class CampaignOpen(Conflict):
    """The return campaign is open already, or over."""

    code = "return_campaign_open"
    words = Words(fr="La campagne de retour est déjà ouverte ou terminée.", en="The return campaign is open already, or over.")


class CampaignNotOpen(Conflict):
    """There is no open return campaign."""

    code = "return_campaign_not_open"
    words = Words(fr="Aucune campagne de retour n'est ouverte.", en="No return campaign is open.")
