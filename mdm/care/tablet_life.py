"""What a person may record or decide of one tablet from its page, by its state and their permissions. Pure; the verbs are elsewhere."""

from __future__ import annotations

from enum import StrEnum

from cartable.scope import Actor, Permission
from enrollment.tablets.models import Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.rules import DECOMMISSIONED, LENDABLE, MISSING, can_transition
from mdm.care.tablet_summary import TabletSummary


class LifeAct(StrEnum):
    """The acts of the page, in the order in which it shows them."""

    AGREEMENT = "agreement"
    CONFIRM_SWAP = "confirm_swap"
    ACCESSORY = "accessory"
    ASSIGN = "assign"
    UNRESERVE = "unreserve"
    LOANER = "loaner"
    THEFT = "theft"
    POSITION = "position"
    MOVE = "move"
    WIPED = "wiped"
    ERASE = "erase"
    ACTIVATION_LOCK = "activation_lock"
    RETIRE = "retire"
    DISPOSE = "dispose"
    APPROVAL = "approval"


#: The states to which a person moves a tablet that nobody has.
MOVES = (S.RECEIVED, S.PREPARED, S.STOCK, S.STORAGE)


def list_life_acts(actor: Actor, tablet: Tablet, summary: TabletSummary) -> list[LifeAct]:
    """Return the acts that the tablet's state and the actor's permissions allow now."""
    state, loan = tablet.state, summary.loan

    def may(permission: Permission) -> bool:
        return actor.has_permission(permission, tablet.town_id, tablet.school_id)

    is_gone = state in DECOMMISSIONED
    is_free = loan is None and not tablet.evidence_hold and not is_gone
    possible = {
        LifeAct.AGREEMENT: may(Permission.HANDLE) and loan is not None,
        LifeAct.CONFIRM_SWAP: may(Permission.HANDLE) and loan is not None and loan.needs_confirmation,
        LifeAct.ACCESSORY: may(Permission.HANDLE) and any(line.lost_at is None for line in summary.accessories),
        LifeAct.ASSIGN: may(Permission.HANDLE) and is_free and state in LENDABLE,
        LifeAct.UNRESERVE: may(Permission.HANDLE) and summary.reservation is not None,
        LifeAct.LOANER: may(Permission.HANDLE) and summary.incident is not None and summary.loaner is None and loan is not None,
        LifeAct.THEFT: may(Permission.CARE) and state is S.LOST,
        LifeAct.POSITION: may(Permission.LOCATE) and state in MISSING,
        LifeAct.MOVE: may(Permission.HANDLE) and is_free and any(can_transition(state, each) for each in MOVES),
        LifeAct.WIPED: may(Permission.HANDLE) and is_free and tablet.needs_wipe,
        LifeAct.ERASE: may(Permission.DESTROY) and not tablet.evidence_hold and not is_gone,
        LifeAct.ACTIVATION_LOCK: may(Permission.DESTROY) and not is_gone,
        LifeAct.RETIRE: may(Permission.HANDLE) and is_free and can_transition(state, S.RETIRED),
        LifeAct.DISPOSE: may(Permission.HANDLE) and loan is None and state is S.RETIRED,
        LifeAct.APPROVAL: may(Permission.CARE) and not is_gone,
    }
    return [act for act in LifeAct if possible[act]]
