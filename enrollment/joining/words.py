"""The sentences of the landing page, in words for children and families."""

from __future__ import annotations

from cartable.i18n import Language, Message

LANDING = {
    "title": Message("Enrol this tablet"),
    "code": Message("Invitation code"),
    "go": Message("Continue"),
    "retry": Message("Try another code"),
    "download": Message("1. Download the profile"),
    "open_settings": Message("Open “Settings”, then tap “Profile Downloaded” at the top."),
    "install": Message("Tap “Install” at the top right and answer the questions until “Done”."),
    "hint": Message("Do this on the tablet itself. If something does not work, ask an adult at school."),
}


def landing(language: Language) -> dict[str, str]:
    """Every sentence of the page in one language."""
    return {key: words.translate(language) for key, words in LANDING.items()}
