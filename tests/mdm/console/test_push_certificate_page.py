"""The page of the push certificate: an operator goes from nothing to an installed certificate without the command line."""

from __future__ import annotations

import base64
import plistlib
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cartable.scope import Role
from mdm.push.certificates import get_active_topic
from mdm.push.requests import VENDOR_CHAIN_FILE, VENDOR_KEY_FILE
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory

PAGE = "/system/push-certificate"
VENDOR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def operator(server: LiveServer, operator_of: Callable[[], Person]) -> Person:
    return operator_of()


def issue(csr_pem: bytes, topic: str, server: LiveServer) -> bytes:
    """What Apple's portal gives for a request."""
    csr, now = x509.load_pem_x509_csr(csr_pem), server.runtime.clock.now()
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, topic), x509.NameAttribute(NameOID.COMMON_NAME, "APSP")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(csr.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=20))
    return builder.sign(VENDOR_KEY, SHA256()).public_bytes(Encoding.PEM)


def make_request(operator: Person) -> bytes:
    """Make a request on the page and download it."""
    made = send(operator, f"{PAGE}/requests", email="dsi@valmont.example")
    assert made.status_code == 303, made.text
    [address] = re.findall(rf'href="({PAGE}/requests/[^"]+\.csr)"', operator.client.get(PAGE).text)
    return operator.client.get(address).content


def install(operator: Person, certificate: bytes, **fields: str) -> httpx.Response:
    files = {"certificate": ("MDM_Cartable_Certificate.pem", certificate)}
    return operator.client.post(PAGE, data={"csrf": operator.csrf, **fields}, files=files, follow_redirects=True)


def test_from_the_request_to_the_installed_certificate(server: LiveServer, operator: Person) -> None:
    assert "tablettes simulées" in read(operator.client.get(PAGE))
    csr = make_request(operator)
    topic = f"com.apple.mgmt.External.{uuid4()}"
    installed = install(operator, issue(csr, topic, server))
    assert installed.status_code == 200, installed.text
    assert topic in installed.text
    assert "19 jours" in read(installed), "its end is near: shown with a warning"
    assert 'class="warn"' in installed.text
    with server.runtime.open_unit_of_work() as work:
        assert get_active_topic(work) == topic
    assert ".csr" not in operator.client.get(PAGE).text, "the request is answered"


def test_what_is_wrong_is_said_and_another_topic_needs_a_tick(server: LiveServer, operator: Person) -> None:
    first, second = (f"com.apple.mgmt.External.{uuid4()}" for _ in range(2))
    install(operator, issue(make_request(operator), first, server))
    refused = install(operator, b"no certificate")
    assert (refused.status_code, "pas un certificat" in read(refused)) == (422, True)
    foreign = install(operator, issue(_build_csr(), first, server))
    assert "Aucune demande de ce serveur" in read(foreign)
    other = issue(make_request(operator), second, server)
    asked = install(operator, other)
    assert (asked.status_code, 'name="other_topic"' in asked.text) == (409, True)
    with server.runtime.open_unit_of_work() as work:
        assert get_active_topic(work) == first
    install(operator, other, other_topic="true")
    with server.runtime.open_unit_of_work() as work:
        assert get_active_topic(work) == second


def test_a_server_with_a_vendors_key_signs(server: LiveServer, operator: Person) -> None:
    csr = make_request(operator)
    assert ".plist" not in operator.client.get(PAGE).text
    folder = server.runtime.settings.secrets_dir
    (folder / VENDOR_CHAIN_FILE).write_bytes(b"chain")
    (folder / VENDOR_KEY_FILE).write_bytes(VENDOR_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    [address] = re.findall(rf'href="({PAGE}/requests/[^"]+\.plist)"', operator.client.get(PAGE).text)
    signed = plistlib.loads(base64.b64decode(operator.client.get(address).content))
    der = base64.b64decode(signed["PushCertRequestCSR"])
    assert der == x509.load_pem_x509_csr(csr).public_bytes(Encoding.DER)
    VENDOR_KEY.public_key().verify(base64.b64decode(signed["PushCertSignature"]), der, padding.PKCS1v15(), SHA256())


def test_nobody_else_opens_it(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    admin = person(town_id, Role.TOWN_ADMIN)
    assert admin.client.get(PAGE).status_code == 403
    admin.client.post(
        f"{PAGE}/requests?confirm=password", data={"csrf": admin.csrf, "confirm_password": PASSWORD, "email": "a@b.example"}
    )
    refused = install(admin, b"anything")
    assert refused.status_code == 403


def _build_csr() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another server")])
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256()).public_bytes(Encoding.PEM)
