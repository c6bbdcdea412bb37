"""The words of a tablet's life, for pages and papers."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.tablets.models import AccessoryKind, BreakageCause, Condition, TabletState

STATES: dict[TabletState, Message] = {
    TabletState.PREPARED: Message("prepared", context="tablet"),
    TabletState.STOCK: Message("in stock", context="tablet"),
    TabletState.ORDERED: Message("ordered", context="tablet"),
    TabletState.RECEIVED: Message("received", context="tablet"),
    TabletState.HANDED_OVER: Message("handed over", context="tablet"),
    TabletState.ABSENT: Message("not heard of", context="tablet"),
    TabletState.STOLEN: Message("stolen", context="tablet"),
    TabletState.BROKEN: Message("broken", context="tablet"),
    TabletState.IN_REPAIR: Message("in repair", context="tablet"),
    TabletState.REPAIRED: Message("repaired", context="tablet"),
    TabletState.LOANER_OUT: Message("out as a loaner", context="tablet"),
    TabletState.RETURNED: Message("returned", context="tablet"),
    TabletState.STORAGE: Message("in storage", context="tablet"),
    TabletState.DISPOSED: Message("disposed of", context="tablet"),
    TabletState.MISSING_WRITTEN_OFF: Message("written off", context="tablet"),
    TabletState.ASSIGNED: Message("assigned", context="tablet"),
    TabletState.IN_USE: Message("in use", context="tablet"),
    TabletState.LOST: Message("lost", context="tablet"),
    TabletState.FOUND: Message("found", context="tablet"),
    TabletState.RETIRED: Message("retired", context="tablet"),
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
