"""The words about holders, loans and incidents on a tablet's page."""

from __future__ import annotations

from cartable.i18n import Language, Words
from enrollment.joining.models import InvitationKind
from enrollment.tablets.models import Agreement, IncidentKind
from mdm.care.tablet_summary import Act

_PAGE: dict[str, Words] = {
    "holder": Words(fr="Chez qui", en="Who has it"),
    "nobody": Words(fr="Personne ne la tient.", en="Nobody holds it."),
    "pupil": Words(fr="Élève", en="Pupil"),
    "class": Words(fr="Classe", en="Class"),
    "school": Words(fr="École", en="School"),
    "since": Words(fr="Depuis le", en="Since"),
    "agreement": Words(fr="Convention", en="Agreement"),
    "accessories": Words(fr="Accessoires", en="Accessories"),
    "lost": Words(fr="perdu", en="lost"),
    "swap": Words(fr="Échange", en="Swap"),
    "to_confirm": Words(fr="fait à l'école, à confirmer", en="made at school, to be confirmed"),
    "reserved": Words(fr="Réservée", en="Reserved"),
    "evidence": Words(fr="Preuve", en="Evidence"),
    "evidence_why": Words(fr="conservée : ne rien y faire", en="kept: leave it alone"),
    "to_wipe": Words(fr="À effacer", en="To be erased"),
    "to_wipe_why": Words(fr="un enfant s'en est servi", en="a child has used it"),
    "loaner": Words(fr="L'enfant a en dépannage", en="The child has meanwhile"),
    "stands_in": Words(fr="Remplace", en="Stands in for"),
    "incidents": Words(fr="Incidents", en="Incidents"),
    "former": Words(fr="Prêts d'avant", en="Former loans"),
    "lent": Words(fr="du {first} au {last}", en="from {first} to {last}"),
    "reported_on": Words(fr="signalé le {day}", en="reported on {day}"),
    "closed_on": Words(fr="clos le {day}", en="closed on {day}"),
    "open": Words(fr="ouvert", en="open"),
    "cause": Words(fr="Cause", en="Cause"),
    "condition": Words(fr="État", en="Condition"),
    "broken_why": Words(fr="Ce qui est raconté (sans nom)", en="What is told (no names)"),
    "repair_why": Words(fr="Réparateur, numéro d'envoi", en="Repairer, shipment number"),
    "repaired_why": Words(fr="Ce qui a été vérifié", en="What was checked"),
    "settle_back": Words(fr="L'enfant reprend sa tablette", en="The child gets the own tablet back"),
    "settle_keep": Words(fr="L'enfant garde celle de dépannage", en="The child keeps the loaner"),
    "settle_who": Words(fr="Qui garde quoi ?", en="Who keeps what?"),
    "found_why": Words(
        fr="Seulement si vous la tenez en main. Le mode perdu est levé.", en="Only with the tablet in your hands. Lost mode is lifted."
    ),
    "note": Words(fr="Noter", en="Note"),
    "noted": Words(fr="C'est noté.", en="Noted."),
}  # fmt: skip
ACTS: dict[Act, Words] = {
    Act.BROKEN: Words(fr="Signaler une casse", en="Report a breakage"),
    Act.REPAIR: Words(fr="Partie en réparation", en="Sent to repair"),
    Act.REPAIRED: Words(fr="Revenue réparée", en="Back from repair"),
    Act.SETTLE: Words(fr="Clore la casse", en="Settle the breakage"),
    Act.FOUND: Words(fr="Retrouvée, en main", en="Found, in hand"),
}
KINDS: dict[IncidentKind, Words] = {
    IncidentKind.BREAKAGE: Words(fr="Casse", en="Breakage"),
    IncidentKind.LOSS: Words(fr="Perte", en="Loss"),
    IncidentKind.THEFT: Words(fr="Vol", en="Theft"),
}
AGREEMENTS: dict[Agreement, Words] = {
    Agreement.WANTED: Words(fr="à signer", en="to be signed"),
    Agreement.SIGNED: Words(fr="signée", en="signed"),
    Agreement.REFUSED: Words(fr="refusée : reste à l'école", en="refused: stays at school"),
}
RESERVED: dict[InvitationKind, Words] = {
    InvitationKind.PUPIL: Words(fr="pour un élève", en="for a pupil"),
    InvitationKind.CLASS: Words(fr="pour une classe", en="for a class"),
    InvitationKind.CART_SLOT: Words(fr="pour une place de chariot", en="for a cart's slot"),
    InvitationKind.STOCK: Words(fr="pour le stock", en="for the stock"),
}


def words_of(language: Language) -> dict[str, str]:
    """Every word of this part in one language."""
    return {name: words.say(language) for name, words in _PAGE.items()}
