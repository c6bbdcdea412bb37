"""A real OpenID provider in a process of its own (the package oidc-provider-mock, built on Authlib), and a browser without pages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.support.server import find_free_port

#: Bob is in no group that has a role, and says that the e-mail of somebody else is his.
PEOPLE = (
    {"sub": "ada", "name": "Ada Byron", "email": "ada@valmont.example", "email_verified": True, "groups": ["desk", "others"]},
    {"sub": "bob", "name": "Bob", "email": "admin@valmont.example", "groups": "guests"},
)


@contextmanager
def start_identity_provider() -> Iterator[str]:
    """Run a provider that knows `PEOPLE`. Yields its issuer."""
    port = find_free_port()
    claims = [part for person in PEOPLE for part in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://localhost:{port}"
    try:
        _wait_until_it_answers(issuer, process)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(issuer: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        try:
            httpx.get(f"{issuer}/jwks").raise_for_status()
        except httpx.HTTPError:
            assert process.poll() is None, "the provider did not start"
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the provider does not answer")


def sign_in_at_provider(url: str, subject: str) -> dict[str, str]:
    """Sign in at the provider as its page would, and return the parameters with which it sends the browser back."""
    answer = httpx.post(url, data={"sub": subject}, follow_redirects=False)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))
