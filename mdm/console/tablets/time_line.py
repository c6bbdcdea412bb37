"""A tablet's time line in words: acts of people and orders, as the audit trail and the queue name them. Only words; no reads."""

from __future__ import annotations

from cartable.i18n import Language, Words
from enrollment.tablets.words import STATES
from mdm.care.overview import Entry

#: Acts on a tablet, by the action of the audit trail.
ACTS: dict[str, Words] = {
    "cart.put": Words(fr="rangée dans un chariot", en="put into a cart"),
    "cart.take": Words(fr="sortie de son chariot", en="taken out of its cart"),
    "incident.close": Words(fr="incident clos", en="incident closed"),
    "incident.open": Words(fr="incident ouvert", en="incident opened"),
    "loan.accessory_lost": Words(fr="accessoire noté perdu", en="accessory noted as lost"),
    "loan.agreement": Words(fr="convention de prêt notée", en="loan agreement noted"),
    "loan.close": Words(fr="prêt clos", en="loan closed"),
    "loan.confirm": Words(fr="échange confirmé", en="swap confirmed"),
    "loan.open": Words(fr="attribuée à un élève", en="assigned to a pupil"),
    "loan.swap": Words(fr="échangée avec une autre", en="swapped with another"),
    "loan.transfer": Words(fr="prêt passé sur cette tablette", en="loan moved to this tablet"),
    "pair.hold.approve": Words(fr="conservation comme preuve approuvée", en="keeping as evidence approved"),
    "pair.hold.ask": Words(fr="conservation comme preuve demandée", en="keeping as evidence asked"),
    "pair.release.approve": Words(fr="fin de conservation approuvée", en="end of evidence hold approved"),
    "pair.release.ask": Words(fr="fin de conservation demandée", en="end of evidence hold asked"),
    "pair.write_off.approve": Words(fr="passage en pertes approuvé", en="writing off approved"),
    "pair.write_off.ask": Words(fr="passage en pertes demandé", en="writing off asked"),
    "position.approve": Words(fr="demande de position approuvée", en="position request approved"),
    "position.ask": Words(fr="position demandée", en="position asked"),
    "tablet.activation_lock": Words(fr="code de déverrouillage d'activation lu", en="activation lock code read"),
    "tablet.authenticate": Words(fr="s'inscrit", en="is enrolling"),
    "tablet.automated": Words(fr="inscription automatique", en="automated enrolment"),
    "tablet.check_out": Words(fr="a quitté la gestion", en="has left management"),
    "tablet.dispose": Words(fr="éliminée", en="disposed of"),
    "tablet.enrolled": Words(fr="inscrite", en="enrolled"),
    "tablet.erase": Words(fr="effacement demandé", en="erase ordered"),
    "tablet.erase_in_bulk": Words(fr="effacement groupé", en="erased in bulk"),
    "tablet.found": Words(fr="retrouvée, en main", en="found, in hand"),
    "tablet.join": Words(fr="invitation utilisée", en="invitation used"),
    "tablet.lift_lost": Words(fr="levée du mode perdu demandée", en="end of lost mode asked"),
    "tablet.lock": Words(fr="écran verrouillé", en="screen locked"),
    "tablet.mark_lost": Words(fr="signalée perdue", en="reported lost"),
    "tablet.place": Words(fr="placée selon sa réservation", en="placed as reserved"),
    "tablet.refresh": Words(fr="nouvelles demandées", en="asked for news"),
    "tablet.reserve": Words(fr="réservée", en="reserved"),
    "tablet.return_to_service": Words(fr="remise en service", en="returned to service"),
    "tablet.sound": Words(fr="sonnerie demandée", en="asked to ring"),
    "tablet.state": Words(fr="état", en="state"),
    "tablet.tag": Words(fr="étiquette changée", en="tag changed"),
    "tablet.unreserve": Words(fr="réservation retirée", en="reservation withdrawn"),
    "tablet.wiped": Words(fr="effacement constaté", en="erase noted"),
}
#: Orders that this server gives, by Apple's name of the command. The name stays beside the word: technicians look it up.
ORDERS: dict[str, Words] = {
    "ActivationLockBypassCode": Words(fr="demande du code d'activation", en="ask for the activation code"),
    "CertificateList": Words(fr="relevé des certificats", en="list certificates"),
    "DeclarativeManagement": Words(fr="annonce des règles", en="announce rules"),
    "DeviceConfigured": Words(fr="fin de l'installation", en="end of setup"),
    "DeviceInformation": Words(fr="relevé de la fiche", en="read facts"),
    "DeviceLocation": Words(fr="demande de position", en="ask for the position"),
    "DeviceLock": Words(fr="verrouillage de l'écran", en="lock the screen"),
    "DisableLostMode": Words(fr="levée du mode perdu", en="end lost mode"),
    "EnableLostMode": Words(fr="mode perdu", en="lost mode"),
    "EraseDevice": Words(fr="effacement", en="erase"),
    "InstallApplication": Words(fr="installation d'une application", en="install an app"),
    "InstallProfile": Words(fr="installation d'un profil", en="install a profile"),
    "InstalledApplicationList": Words(fr="relevé des applications", en="list apps"),
    "ManagedApplicationList": Words(fr="relevé des applications gérées", en="list managed apps"),
    "PlayLostModeSound": Words(fr="sonnerie", en="ring"),
    "ProfileList": Words(fr="relevé des profils", en="list profiles"),
    "RemoveApplication": Words(fr="retrait d'une application", en="remove an app"),
    "RemoveProfile": Words(fr="retrait d'un profil", en="remove a profile"),
    "RestartDevice": Words(fr="redémarrage", en="restart"),
    "SecurityInfo": Words(fr="relevé de la sécurité", en="read security"),
    "Settings": Words(fr="réglages", en="settings"),
}
SERVER = Words(fr="le serveur", en="the server")


def said(entry: Entry, language: Language) -> str:
    """One moment for a person; what has no words yet is shown as it is named."""
    if entry.before is not None and entry.after is not None:
        return f"{STATES[entry.before].say(language)} → {STATES[entry.after].say(language)}"
    if entry.what in ACTS:
        return ACTS[entry.what].say(language)
    return f"{ORDERS[entry.what].say(language)} ({entry.what})" if entry.what in ORDERS else entry.what


def by_whom(entry: Entry, language: Language) -> str:
    """Who did it."""
    return SERVER.say(language) if entry.who == "system" else entry.who
