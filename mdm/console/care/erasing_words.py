"""The words of the page of erases in bulk."""

from __future__ import annotations

from cartable.i18n import Language, Words

_WORDS: dict[str, Words] = {
    "title": Words(fr="Effacer les tablettes rendues", en="Erase the tablets that are back"),
    "why": Words(
        fr="Une personne demande, une autre approuve ; les ordres partent une demi-heure plus tard. Jusque-là, on peut annuler.",
        en="One person asks, another approves; the orders leave half an hour later. Until then it can be cancelled.",
    ),
    "waiting": Words(fr="Rendues et pas encore effacées : {count}", en="Back and not yet erased: {count}"),
    "none_waiting": Words(
        fr="Aucune n'est à demander. Elles viennent d'une campagne de retour ouverte (Année scolaire), une fois reprises à l'atelier.",
        en="None is to be asked for. They come from an open return campaign (School year), once taken back at the desk.",
    ),
    "tags": Words(fr="Lesquelles", en="Which"),
    "ticket": Words(fr="Ticket", en="Ticket"),
    "reason": Words(fr="Motif, sans nom", en="Reason, without names"),
    "password": Words(fr="Votre mot de passe, encore une fois", en="Your password, once more"),
    "ask": Words(fr="Demander l'effacement", en="Ask for the erase"),
    "list": Words(fr="Effacements demandés", en="Erases asked for"),
    "asked": Words(fr="Demandé", en="Asked"),
    "approve": Words(fr="Approuver", en="Approve"),
    "cancel": Words(fr="Annuler", en="Cancel"),
    "to_approve": Words(fr="attend l'accord d'une autre personne", en="waits for another person"),
    "due": Words(fr="approuvé : part le {at}", en="approved: leaves on {at}"),
    "sent": Words(fr="parti le {at}", en="sent on {at}"),
    "cancelled": Words(fr="annulé le {at}", en="cancelled on {at}"),
    "done_asked": Words(fr="Demandé. Une autre personne doit approuver.", en="Asked. Another person must approve."),
    "done_approved": Words(
        fr="Approuvé. Les ordres partent dans une demi-heure.", en="Approved. The orders leave in half an hour."
    ),
    "done_cancelled": Words(fr="Annulé. Rien ne part.", en="Cancelled. Nothing leaves."),
}


def words_of(language: Language) -> dict[str, str]:
    """Every word of the page in one language."""
    return {name: words.say(language) for name, words in _WORDS.items()}
