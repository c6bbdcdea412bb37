"""Labels of tablets for pages and printed documents: states, accessories, conditions, causes of damage, loan agreements."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.tablets.models import AccessoryKind, AgreementState, BreakageCause, Condition, TabletState

STATES: dict[TabletState, Message] = {
    TabletState.PREPARED: Message("prepared", plural="prepared", context="tablet"),
    TabletState.STOCK: Message("in stock", plural="in stock", context="tablet"),
    TabletState.ORDERED: Message("ordered", plural="ordered", context="tablet"),
    TabletState.RECEIVED: Message("received", plural="received", context="tablet"),
    TabletState.HANDED_OVER: Message("handed over", plural="handed over", context="tablet"),
    TabletState.ABSENT: Message("not heard of", plural="not heard of", context="tablet"),
    TabletState.STOLEN: Message("stolen", plural="stolen", context="tablet"),
    TabletState.BROKEN: Message("broken", plural="broken", context="tablet"),
    TabletState.IN_REPAIR: Message("in repair", plural="in repair", context="tablet"),
    TabletState.REPAIRED: Message("repaired", plural="repaired", context="tablet"),
    TabletState.LOANER_OUT: Message("out as a loaner", plural="out as a loaner", context="tablet"),
    TabletState.RETURNED: Message("returned", plural="returned", context="tablet"),
    TabletState.STORAGE: Message("in storage", plural="in storage", context="tablet"),
    TabletState.DISPOSED: Message("disposed of", plural="disposed of", context="tablet"),
    TabletState.MISSING_WRITTEN_OFF: Message("written off", plural="written off", context="tablet"),
    TabletState.ASSIGNED: Message("assigned", plural="assigned", context="tablet"),
    TabletState.IN_USE: Message("in use", plural="in use", context="tablet"),
    TabletState.LOST: Message("lost", plural="lost", context="tablet"),
    TabletState.FOUND: Message("found", plural="found", context="tablet"),
    TabletState.RETIRED: Message("retired", plural="retired", context="tablet"),
}
ACCESSORIES: dict[AccessoryKind, Message] = {
    AccessoryKind.COVER: Message("cover"),
    AccessoryKind.KEYBOARD: Message("keyboard"),
    AccessoryKind.CHARGER: Message("charger"),
    AccessoryKind.CABLE: Message("cable"),
    AccessoryKind.PEN: Message("pen"),
}
CONDITIONS: dict[Condition, Message] = {
    Condition.NEW: Message("as new", context="condition of a tablet"),
    Condition.GOOD: Message("good", context="condition of a tablet"),
    Condition.WORN: Message("worn", context="condition of a tablet"),
    Condition.DAMAGED: Message("damaged", context="condition of a tablet"),
}
CAUSES: dict[BreakageCause, Message] = {
    BreakageCause.SCREEN: Message("screen", context="cause of damage"),
    BreakageCause.DROP: Message("drop", context="cause of damage"),
    BreakageCause.LIQUID: Message("liquid", context="cause of damage"),
    BreakageCause.CRUSHED: Message("crushed in the bag", context="cause of damage"),
    BreakageCause.CHARGER_PORT: Message("charging port", context="cause of damage"),
    BreakageCause.BUTTON: Message("button", context="cause of damage"),
    BreakageCause.BATTERY: Message("battery", context="cause of damage"),
    BreakageCause.OTHER: Message("other", context="cause of damage"),
}
AGREEMENTS: dict[AgreementState, Message] = {
    AgreementState.PENDING: Message("to be signed", context="agreement"),
    AgreementState.SIGNED: Message("signed", context="agreement"),
    AgreementState.REFUSED: Message("refused: stays at school", context="agreement"),
}
