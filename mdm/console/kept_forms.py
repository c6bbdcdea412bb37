"""A form that came after the end of its session, kept for its sender: sealed text that travels through the sign-in in the browser.

Nothing is stored on the server. It says which account the session belonged to, and only that account gets it back.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from cartable.crypto import DecryptionError, Keyring

#: A longer form is not kept: it would have to be sent three times.
MAX_LENGTH = 200_000
_PURPOSE = "console.kept_form"


@dataclass(frozen=True, slots=True)
class KeptForm:
    """The account whose session had ended, where its form was sent to, the page on which it stood, and its fields."""

    account_id: UUID
    action: str
    place: str
    fields: tuple[tuple[str, str], ...]


def seal_form(keyring: Keyring, form: KeptForm) -> str | None:
    """Return the form as text for a hidden field; None when it is too long."""
    if sum(len(name) + len(value) for name, value in form.fields) > MAX_LENGTH:
        return None
    document = json.dumps([str(form.account_id), form.action, form.place, form.fields])
    return urlsafe_b64encode(keyring.seal(zlib.compress(document.encode("utf-8", "surrogatepass")), _PURPOSE)).decode()


def open_form(keyring: Keyring, text: str) -> KeptForm | None:
    """Return the form in a text that this server has sealed; None for any other text."""
    try:
        document = zlib.decompress(keyring.open(urlsafe_b64decode(text.encode()), _PURPOSE))
    except (ValueError, DecryptionError, zlib.error):
        return None
    account_id, action, place, fields = json.loads(document.decode("utf-8", "surrogatepass"))
    return KeptForm(UUID(account_id), action, place, tuple((name, value) for name, value in fields))
