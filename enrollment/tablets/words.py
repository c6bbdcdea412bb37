"""The words of a tablet's life, for pages and papers."""

from __future__ import annotations

from cartable.i18n import Words
from enrollment.tablets.models import AccessoryKind, Cause, Condition, TabletState

STATES: dict[TabletState, Words] = {
    TabletState.PREPARED: Words(fr="préparée", en="prepared"),
    TabletState.STOCK: Words(fr="en stock", en="in stock"),
    TabletState.ORDERED: Words(fr="commandée", en="ordered"),
    TabletState.RECEIVED: Words(fr="reçue", en="received"),
    TabletState.HANDED_OVER: Words(fr="remise", en="handed over"),
    TabletState.ABSENT: Words(fr="sans nouvelles", en="not heard of"),
    TabletState.STOLEN: Words(fr="volée", en="stolen"),
    TabletState.BROKEN: Words(fr="cassée", en="broken"),
    TabletState.IN_REPAIR: Words(fr="en réparation", en="in repair"),
    TabletState.REPAIRED: Words(fr="réparée", en="repaired"),
    TabletState.LOANER_OUT: Words(fr="prêtée en dépannage", en="out as a loaner"),
    TabletState.RETURNED: Words(fr="rendue", en="returned"),
    TabletState.STORAGE: Words(fr="en réserve", en="in storage"),
    TabletState.DISPOSED: Words(fr="éliminée", en="disposed of"),
    TabletState.MISSING_WRITTEN_OFF: Words(fr="passée en pertes", en="written off"),
    TabletState.ASSIGNED: Words(fr="attribuée", en="assigned"),
    TabletState.IN_USE: Words(fr="en service", en="in use"),
    TabletState.LOST: Words(fr="perdue", en="lost"),
    TabletState.FOUND: Words(fr="retrouvée", en="found"),
    TabletState.RETIRED: Words(fr="retirée", en="retired"),
}
ACCESSORIES: dict[AccessoryKind, Words] = {
    AccessoryKind.COVER: Words(fr="coque", en="cover"),
    AccessoryKind.KEYBOARD: Words(fr="clavier", en="keyboard"),
    AccessoryKind.CHARGER: Words(fr="chargeur", en="charger"),
    AccessoryKind.CABLE: Words(fr="câble", en="cable"),
    AccessoryKind.PEN: Words(fr="stylet", en="pen"),
}
CONDITIONS: dict[Condition, Words] = {
    Condition.NEW: Words(fr="comme neuve", en="as new"),
    Condition.GOOD: Words(fr="bon état", en="good"),
    Condition.WORN: Words(fr="usée", en="worn"),
    Condition.DAMAGED: Words(fr="abîmée", en="damaged"),
}
CAUSES: dict[Cause, Words] = {
    Cause.SCREEN: Words(fr="écran", en="screen"),
    Cause.DROP: Words(fr="chute", en="drop"),
    Cause.LIQUID: Words(fr="liquide", en="liquid"),
    Cause.CRUSHED: Words(fr="écrasée dans le sac", en="crushed in the bag"),
    Cause.CHARGER_PORT: Words(fr="prise de charge", en="charging port"),
    Cause.BUTTON: Words(fr="bouton", en="button"),
    Cause.BATTERY: Words(fr="batterie", en="battery"),
    Cause.OTHER: Words(fr="autre", en="other"),
}
