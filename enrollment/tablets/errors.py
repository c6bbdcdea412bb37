"""Refusals of the inventory and of custody."""

from __future__ import annotations

from mdm.kit.errors import Conflict, NotFound
from mdm.kit.words import Words


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
