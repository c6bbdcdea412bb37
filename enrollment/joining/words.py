"""The sentences of the landing page, in words for children and families."""

from __future__ import annotations

from cartable.i18n import Language, Words

LANDING = {
    "title": Words(fr="Inscrire cette tablette", en="Enrol this tablet"),
    "code": Words(fr="Code d'invitation", en="Invitation code"),
    "go": Words(fr="Continuer", en="Continue"),
    "retry": Words(fr="Essayer un autre code", en="Try another code"),
    "download": Words(fr="1. Télécharger le profil", en="1. Download the profile"),
    "open_settings": Words(
        fr="Ouvre « Réglages », puis touche « Profil téléchargé » en haut.",
        en="Open “Settings”, then tap “Profile Downloaded” at the top.",
    ),
    "install": Words(
        fr="Touche « Installer » en haut à droite, et suis les questions jusqu'à « OK ».",
        en="Tap “Install” at the top right and answer the questions until “Done”.",
    ),
    "hint": Words(
        fr="À faire sur la tablette elle-même. Si quelque chose bloque, demande à un adulte de l'école.",
        en="Do this on the tablet itself. If something does not work, ask an adult at school.",
    ),
}


def landing(language: Language) -> dict[str, str]:
    """Every sentence of the page in one language."""
    return {key: words.say(language) for key, words in LANDING.items()}
