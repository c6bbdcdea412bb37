"""Refusals of the passage from one school year to the next."""

from __future__ import annotations

from mdm.kit.errors import Conflict, NotFound
from mdm.kit.words import Words


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
    """The act needs a passage that was applied."""

    code = "rollover_not_applied"
    words = Words(fr="Ce passage d'année n'a pas été appliqué.", en="This rollover has not been applied.")
