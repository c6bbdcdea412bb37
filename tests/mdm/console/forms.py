"""What tests of pages share: the words of a page, and forms as a browser without scripts sends them."""

from __future__ import annotations

import html
import re

import httpx

from tests.mdm.console.conftest import Person
from tests.support.accounts import PASSWORD


def read(page: httpx.Response) -> str:
    """The words of a page, without markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def send(admin: Person, path: str, **fields: object) -> httpx.Response:
    """Send a form, with the password when the page asks for it once more."""
    answer = admin.client.post(path, data={"csrf": admin.csrf, **fields})
    if "confirm_password" in answer.text:
        answer = admin.client.post(f"{path}?confirm=password", data={"csrf": admin.csrf, "confirm_password": PASSWORD, **fields})
    return answer
