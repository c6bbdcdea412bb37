"""The words of the first pages."""

from __future__ import annotations

from cartable.i18n import Language, Words
from mdm.reconcile.models import AppReason
from profiles.schedule.modes import Mode

PAGE: dict[str, Words] = {
    "skip": Words(fr="Aller au contenu", en="Skip to content"),
    "chapters": Words(fr="Chapitres", en="Chapters"),
    "language": Words(fr="Langue", en="Language"),
    "sign_in": Words(fr="Se connecter", en="Sign in"),
    "sign_out": Words(fr="Se déconnecter", en="Sign out"),
    "login": Words(fr="Identifiant", en="Login"),
    "password": Words(fr="Mot de passe", en="Password"),
    "choose_password": Words(fr="Choisir un mot de passe", en="Choose a password"),
    "choose_password_why": Words(
        fr="Celui que vous avez reçu ne sert qu'une fois. 12 caractères au moins.",
        en="The one you were given serves once only. At least 12 characters.",
    ),
    "current_password": Words(fr="Mot de passe reçu", en="Password you were given"),
    "new_password": Words(fr="Nouveau mot de passe", en="New password"),
    "save": Words(fr="Enregistrer", en="Save"),
    "desk": Words(fr="Atelier", en="Desk"),
    "tablets": Words(fr="Tablettes", en="Tablets"),
    "rosters": Words(fr="Listes", en="Rosters"),
    "year": Words(fr="Année scolaire", en="School year"),
    "refused": Words(fr="Ce n'est pas possible", en="This is not possible"),
    "back": Words(fr="Retour à l'accueil", en="Back to the start"),
    "town": Words(fr="Ville", en="Town"),
    "choose": Words(fr="Choisir", en="Choose"),
    "search": Words(fr="Étiquette, numéro de série ou nom de l'enfant", en="Tag, serial number or child's name"),
    "find": Words(fr="Chercher", en="Find"),
    "tag": Words(fr="Étiquette", en="Tag"),
    "state": Words(fr="État", en="State"),
    "holder": Words(fr="Chez", en="Held by"),
    "school": Words(fr="École", en="School"),
    "apps": Words(fr="Applications", en="Apps"),
    "app": Words(fr="Application", en="App"),
    "reason": Words(fr="Raison", en="Reason"),
    "wanted_mode": Words(fr="Mode voulu", en="Wanted mode"),
    "seen_mode": Words(fr="Mode constaté", en="Proved mode"),
    "last_seen": Words(fr="Dernier contact", en="Last contact"),
    "none": Words(fr="Rien à montrer.", en="Nothing to show."),
    "more": Words(fr="Suite", en="More"),
    "older": Words(fr="Plus ancien", en="Older"),
    "timeline": Words(fr="Histoire", en="Time line"),
    "facts": Words(fr="Fiche", en="Facts"),
    "lost_mode": Words(fr="Mode perdu", en="Lost mode"),
    "asked": Words(fr="Demandé", en="Asked"),
    "confirmed": Words(fr="Confirmé", en="Confirmed"),
    "not_yet": Words(fr="pas encore : au prochain contact", en="not yet: at its next contact"),
    "lift_asked": Words(fr="Levée demandée", en="Lift asked"),
    "lift_reason": Words(fr="Comment a-t-elle été retrouvée ?", en="How was it found?"),
    "called_back": Words(
        fr="J'ai rappelé la famille à un numéro déjà connu.",
        en="I have called the family back on a number that was known before.",
    ),
    "lift": Words(fr="Lever le mode perdu", en="Lift lost mode"),
    "lost_explained": Words(
        fr="La tablette affichera un message et le téléphone de la ville ; rien d'autre n'y marchera.",
        en="The tablet will show a message and the town's phone number; nothing else will work.",
    ),
    "lost_reason": Words(fr="Qui l'a signalée, où, quand ?", en="Who reported it, where, when?"),
    "mark_lost": Words(fr="Marquer perdue", en="Mark as lost"),
    "serial": Words(fr="Numéro de série", en="Serial number"),
    "system": Words(fr="Système", en="System"),
    "attested": Words(fr="Clé attestée", en="Attested key"),
    "every_tablet": Words(fr="toutes", en="all"),
    "not_found_hint": Words(
        fr="Aucune tablette ne répond à cette recherche. L'enfant n'en tient peut-être pas encore ; essayez une partie du nom, l'étiquette ou le numéro de série.",
        en="No tablet answers to this search. The child may not hold one yet; try a part of the name, the tag or the serial number.",
    ),
    "no_tablets_hint": Words(
        fr="Aucune tablette encore. Saisissez une commande à l'atelier, ou créez une invitation.",
        en="No tablet yet. Enter an order at the desk, or make an invitation.",
    ),
    "sees_nothing": Words(
        fr="Votre rôle ne voit ni tablettes ni enfants. Ce qui vous revient (demandes, durées, journal des consultations) se lit par l'API, décrite ici :",
        en="Your role sees neither tablets nor children. What is yours (requests, periods, who read what) is read by API, described here:",
    ),
    "no_such_page": Words(fr="Cette page n'existe pas, ou pas pour vous", en="There is no such page, or not for you"),
    "to_desk": Words(fr="Atelier", en="Desk"),
    "profile": Words(fr="Profil", en="Profile"),
    "silent_on": Words(fr="Certificat jusqu'au", en="Certificate until"),
}
#: Where an order or a tablet's rules stand.
COMMAND_STATES: dict[str, Words] = {
    "queued": Words(fr="en attente", en="waiting"),
    "sent": Words(fr="partie", en="sent"),
    "not_now": Words(fr="remise à plus tard", en="put off"),
    "acknowledged": Words(fr="confirmée", en="confirmed"),
    "failed": Words(fr="échec", en="failed"),
    "rejected": Words(fr="refusée", en="refused"),
    "expired": Words(fr="périmée", en="expired"),
    "superseded": Words(fr="remplacée", en="replaced"),
    "cancelled": Words(fr="annulée", en="withdrawn"),
    "waiting": Words(fr="en attente", en="waiting"),
    "verified": Words(fr="vérifié", en="verified"),
    "installing": Words(fr="en cours", en="on its way"),
    "installed": Words(fr="installée", en="installed"),
    "removing": Words(fr="en retrait", en="being removed"),
}


def state_words(state: str | None, language: Language) -> str:
    """A state for a person; a dash when there is none."""
    if state is None:
        return "–"
    return COMMAND_STATES[state].say(language) if state in COMMAND_STATES else state


def page(language: Language) -> dict[str, str]:
    """Every word of the pages in one language."""
    return {name: words.say(language) for name, words in PAGE.items()}


MODES: dict[Mode, Words] = {
    Mode.SCHOOL: Words(fr="école", en="school"),
    Mode.CLASS_SESSION: Words(fr="séance de classe", en="class session"),
    Mode.AFTER_SCHOOL: Words(fr="périscolaire", en="after school"),
    Mode.HOME: Words(fr="maison", en="home"),
    Mode.NIGHT_REST: Words(fr="nuit", en="night rest"),
    Mode.HOLIDAY: Words(fr="vacances", en="holiday"),
    Mode.TRIP: Words(fr="sortie", en="trip"),
    Mode.EXAM: Words(fr="évaluation", en="evaluation"),
    Mode.LOST: Words(fr="perdue", en="lost"),
    Mode.QUARANTINE: Words(fr="quarantaine", en="quarantine"),
    Mode.STORAGE: Words(fr="réserve", en="storage"),
}


def mode_words(mode: Mode | None, language: Language) -> str:
    """A mode for a person; a dash when nobody knows it."""
    return MODES[mode].say(language) if mode else "–"


REASONS: dict[AppReason, Words] = {
    AppReason.NO_LICENCE: Words(fr="pas de licence libre", en="no licence left"),
    AppReason.WAITING_CONTACT: Words(fr="attend que la tablette appelle", en="waits for the tablet's call"),
    AppReason.LOCKED_PASSCODE: Words(fr="tablette verrouillée par un code", en="locked by a passcode"),
    AppReason.STORAGE_FULL: Words(fr="plus de place", en="no room left"),
    AppReason.OS_TOO_OLD: Words(fr="système trop ancien", en="system too old"),
    AppReason.NOT_IN_REGION: Words(fr="pas dans le magasin du pays", en="not in the country's store"),
    AppReason.REMOVED_FROM_STORE: Words(fr="retirée du magasin", en="removed from the store"),
    AppReason.USER_REJECTED: Words(fr="refusée sur la tablette", en="declined on the tablet"),
    AppReason.DOWNLOAD_FAILED: Words(fr="téléchargement manqué", en="download failed"),
    AppReason.INSTALLING: Words(fr="en cours d'installation", en="being installed"),
    AppReason.INSTALLED: Words(fr="–", en="–"),
}


def reason_words(reason: AppReason, language: Language) -> str:
    """Why an app is not there yet; a dash when it is."""
    return REASONS[reason].say(language)


def attested_words(*, attested: bool | None, language: Language) -> str:
    """Whether the tablet has proved its key to Apple; a dash when it has no identity."""
    if attested is None:
        return "–"
    return (Words(fr="oui", en="yes") if attested else Words(fr="non", en="no")).say(language)
