"""A running server and an independent SCEP requester with every knob in reach."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine

from cartable.clock import ManualClock
from enrollment.identity import service as identity
from enrollment.identity.models import ChallengePurpose
from simulator import scep_message
from simulator.errors import ScepFailed
from simulator.identity import Identity
from simulator.scep_message import EnvelopeCipher, PkiMessageType
from simulator.signature import SHA256
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Keys are slow to make and say nothing about the test: a few serve all."""
    assert number >= 0
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def self_signed(key: Any, born: datetime | None = None) -> Identity:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP SIGNER")])
    born = born or datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(born).not_valid_after(born + timedelta(days=1))
    return Identity(key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def csr(key: Any, challenge: str) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
    if challenge:
        builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class Requester:
    """Speaks SCEP to the server over real HTTPS; every part of a request can be chosen."""

    server: LiveServer
    http: httpx.Client
    authority: list[bytes] = field(default_factory=list)

    def challenge(self, tablet_id: UUID | None = None) -> str:
        with self.server.runtime.open_unit_of_work() as work:
            if tablet_id is None:
                tablet_id = TownFactory(work).create_tablet(TownFactory(work).create_town()).id
            return identity.create_challenge(work, purpose=ChallengePurpose.ENROLLMENT, tablet_id=tablet_id)

    def request(
        self,
        challenge: str,
        *,
        key: Any = None,
        signer: Identity | None = None,
        cipher: EnvelopeCipher = EnvelopeCipher.AES_128,
        digest: str = SHA256,
        kind: PkiMessageType = PkiMessageType.PKCS_REQ,
        transaction: str = "",
    ) -> scep_message.PkiRequest:
        key = key or rsa_key()
        self.authority = self.authority or [self.http.get("/scep?operation=GetCACert").content]
        signer = signer or self_signed(key)
        spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return scep_message.build_request(
            signer, csr(key, challenge), self.authority[0], kind=kind, cipher=cipher, digest=digest,
            transaction=transaction or hashlib.sha256(spki).hexdigest(),
        )  # fmt: skip

    def send(self, message: bytes, *, post: bool = True) -> httpx.Response:
        if post:
            return self.http.post("/scep?operation=PKIOperation", content=message)
        return self.http.get(f"/scep?operation=PKIOperation&message={quote(base64.b64encode(message).decode(), safe='')}")

    def certificate(self, request: scep_message.PkiRequest, *, post: bool = True) -> x509.Certificate:
        """The certificate that the CertRep holds. Raises `ScepFailed`."""
        answer = self.send(request.message, post=post)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-pki-message"
        return x509.load_der_x509_certificate(scep_message.read_cert_rep(answer.content, request, frozenset(self.authority)))

    def refused(self, request: scep_message.PkiRequest) -> int:
        """The failInfo of a refusal."""
        with pytest.raises(ScepFailed) as failure:
            self.certificate(request)
        assert failure.value.fail_info is not None
        return failure.value.fail_info


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


@pytest.fixture
def scep(server: LiveServer) -> Iterator[Requester]:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as http:
        yield Requester(server, http)
