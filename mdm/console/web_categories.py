"""What people call the categories of sites. The rules of a category are elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from cartable.i18n import Language, Message

#: Categories under the names that the lists of the University of Toulouse give them, those that are closed to every child first.
CATEGORIES: dict[str, Message] = {
    "adult": Message("pornography", context="web category"),
    "mixed_adult": Message("sites that are pornographic in part", context="web category"),
    "agressif": Message("hate and violence", context="web category"),
    "dangerous_material": Message("dangerous materials", context="web category"),
    "drogue": Message("drugs", context="web category"),
    "gambling": Message("games of chance", context="web category"),
    "arjel": Message("licensed betting", context="web category"),
    "sect": Message("cults", context="web category"),
    "dating": Message("dating", context="web category"),
    "hacking": Message("hacking", context="web category"),
    "warez": Message("pirated software", context="web category"),
    "malware": Message("malware", context="web category"),
    "phishing": Message("phishing", context="web category"),
    "cryptojacking": Message("hidden mining of crypto-currency", context="web category"),
    "stalkerware": Message("spyware", context="web category"),
    "ddos": Message("denial-of-service attacks", context="web category"),
    "doh": Message("encrypted name resolution", context="web category"),
    "vpn": Message("virtual private networks", context="web category"),
    "residential-proxies": Message("hidden relays", context="web category"),
    "dynamic-dns": Message("names for changing addresses", context="web category"),
    "redirector": Message("relays around a filter", context="web category"),
    "shortener": Message("short addresses", context="web category"),
    "remote-control": Message("remote control", context="web category"),
    "ai": Message("artificial intelligence", context="web category"),
    "associations_religieuses": Message("religious associations", context="web category"),
    "astrology": Message("astrology", context="web category"),
    "audio-video": Message("audio and video", context="web category"),
    "bank": Message("banks", context="web category"),
    "bitcoin": Message("crypto-currency", context="web category"),
    "blog": Message("blogs", context="web category"),
    "celebrity": Message("celebrities", context="web category"),
    "chat": Message("chat", context="web category"),
    "child": Message("sites for children", context="web category"),
    "cleaning": Message("antivirus and updates", context="web category"),
    "cooking": Message("cooking", context="web category"),
    "dialer": Message("paid calls", context="web category"),
    "download": Message("downloads", context="web category"),
    "educational_games": Message("educational games", context="web category"),
    "examen_pix": Message("Pix examinations", context="web category"),
    "fakenews": Message("false news", context="web category"),
    "filehosting": Message("file hosting", context="web category"),
    "financial": Message("finance", context="web category"),
    "forums": Message("forums", context="web category"),
    "games": Message("games", context="web category"),
    "jobsearch": Message("job offers", context="web category"),
    "lingerie": Message("lingerie", context="web category"),
    "liste_blanche": Message("permitted sites of schools", context="web category"),
    "liste_bu": Message("sites of libraries", context="web category"),
    "manga": Message("manga", context="web category"),
    "marketingware": Message("advertising software", context="web category"),
    "mobile-phone": Message("mobile phones", context="web category"),
    "press": Message("press", context="web category"),
    "publicite": Message("advertising", context="web category"),
    "radio": Message("radio", context="web category"),
    "sexual_education": Message("sexual education", context="web category"),
    "shopping": Message("shops", context="web category"),
    "social_networks": Message("social networks", context="web category"),
    "sports": Message("sport", context="web category"),
    "translation": Message("translation", context="web category"),
    "tricheur": Message("cheating", context="web category"),
    "update": Message("updates of software", context="web category"),
    "webmail": Message("mail in the browser", context="web category"),
}


def list_category_names(categories: Iterable[str], language: Language) -> list[str]:
    """Return what people call categories of sites, each with its name in the lists, in the order of their words."""
    return sorted(name_category(each, language) for each in categories)


def name_category(category: str, language: Language) -> str:
    """Return what people call a category of sites, with its name in the lists; a town's own category has its name alone."""
    return f"{CATEGORIES[category].translate(language)} ({category})" if category in CATEGORIES else category
