"""Names and labels normalised for comparison, so that two spellings of one name or label are found equal. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

from cartable.crypto import Keyring

_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+")
#: Letters that Unicode does not decompose, as people without them on the keyboard type them.
_SPELLED_OUT = str.maketrans({"Œ": "OE", "Æ": "AE", "Ø": "O", "Ł": "L", "Đ": "D"})


def strip_accents(text: str) -> str:
    """Return the text without accents."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


def make_label_key(text: str) -> str:
    """Return the form by which names and labels are compared: upper case, no accents, single spaces."""
    return _SPACES.sub(" ", strip_accents(text.upper())).strip()


def compute_name_order(last_name: str, first_name: str) -> tuple[str, str]:
    """Return the key by which people are sorted: last name, then first name, whatever their case and accents."""
    return make_label_key(last_name), make_label_key(first_name)


def split_name(text: str) -> list[str]:
    """Return the words of a name as they are compared in a search: upper case, without accents, hyphens and apostrophes."""
    return _WORD.findall(make_label_key(text).translate(_SPELLED_OUT))


def list_searchable_words(names: Iterable[str | None]) -> set[str]:
    """Return the words by which a person with these names is found: each word, and a name of several words also as one (`LEGOFF`)."""
    words: set[str] = set()
    for name in names:
        parts = split_name(name or "")
        words.update(parts)
        if len(parts) > 1:
            words.add("".join(parts))
    return words


def compute_name_hash(keyring: Keyring, town_id: UUID, last_name: str, first_name: str) -> str:
    """Return the keyed hash of a name. Spellings that differ in accents or case alone have one hash; each town has its own hashes."""
    return keyring.keyed_hash(f"{make_label_key(last_name)}|{make_label_key(first_name)}", f"pupil.name:{town_id}")


def compute_email_hash(keyring: Keyring, town_id: UUID, email: str) -> str:
    """Return the keyed hash of an adult's e-mail address in small letters; each town has its own hashes."""
    return keyring.keyed_hash(email, f"staff.email:{town_id}")
