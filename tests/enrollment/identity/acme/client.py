"""An ACME client written from RFC 8555, with every part of a request in reach. Shares no code with the server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simulator import jose
from simulator.attestation import Attester, build_attestation_object, build_attested_facts
from simulator.hardware import Hardware

JOSE = "application/jose+json"
URN = "urn:ietf:params:acme:error:"


def curve_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Slow to make, and says nothing about the test: one serves all."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def csr(key: Any, name: str = "whoever") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


@dataclass
class Client:
    """One account. Each method is one request of RFC 8555; `refused` tells what a refusal was."""

    http: httpx.Client
    key: jose.AcmeKey = field(default_factory=curve_key)
    kid: str | None = None
    directory: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.http.get("/acme/directory").json()

    def nonce(self) -> str:
        return self.http.head(self.directory["newNonce"]).headers["replay-nonce"]

    def send(self, url: str, payload: Any, *, key: jose.AcmeKey | None = None, drop: str = "", **head: Any) -> httpx.Response:
        """A signed request. `head` changes the protected header, `drop` leaves a member out; None is POST-as-GET."""
        who = {"kid": self.kid} if self.kid else {"jwk": jose.build_jwk(self.key)}
        protected = {**who, "nonce": head.pop("nonce", None) or self.nonce(), "url": url, **head}
        protected = {name: value for name, value in protected.items() if value is not None and name != drop}
        return self.raw(url, json.dumps(jose.sign_jws(key or self.key, protected, payload)).encode())

    def raw(self, url: str, body: bytes, content_type: str = JOSE) -> httpx.Response:
        answer = self.http.post(url, content=body, headers={"Content-Type": content_type})
        assert answer.headers["replay-nonce"], "every answer carries a nonce"
        assert 'rel="index"' in answer.headers["link"]
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"].startswith(URN)
            assert answer.json()["status"] == answer.status_code
        return answer

    def register(self, **payload: Any) -> httpx.Response:
        self.kid = None
        answer = self.send(self.directory["newAccount"], {"termsOfServiceAgreed": True, **payload})
        self.kid = answer.headers.get("location")
        return answer

    def order(self, identifier: str, kind: str = "permanent-identifier") -> httpx.Response:
        return self.send(self.directory["newOrder"], {"identifiers": [{"type": kind, "value": identifier}]})

    def challenge(self, order: dict[str, Any]) -> dict[str, Any]:
        authorization = self.send(order["authorizations"][0], None).json()
        [challenge] = authorization["challenges"]
        assert challenge["type"] == "device-attest-01"
        return dict(challenge)

    def respond(self, challenge: dict[str, Any], attestation: bytes | None) -> dict[str, Any]:
        payload = {} if attestation is None else {"attObj": jose.encode_base64url(attestation)}
        answer = self.send(challenge["url"], payload)
        assert answer.status_code == 200, answer.text
        assert 'rel="up"' in answer.headers["link"]
        return dict(answer.json())

    def finalize(self, order: dict[str, Any], request: bytes) -> httpx.Response:
        return self.send(order["finalize"], {"csr": jose.encode_base64url(request)})

    def certificate(self, order: dict[str, Any]) -> x509.Certificate:
        """The certificate of a valid order; its chain must hold."""
        answer = self.send(order["certificate"], None)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pem-certificate-chain"
        first, authority = x509.load_pem_x509_certificates(answer.content)
        first.verify_directly_issued_by(authority)
        return first

    def obtain(self, identifier: str, key: Any, attestation: Attestation | None) -> x509.Certificate:
        """The whole way."""
        if self.kid is None:
            self.register()
        made = self.order(identifier)
        assert made.status_code == 201, made.text
        challenge = self.challenge(made.json())
        given = attestation.object(key, challenge["token"]) if attestation else None
        assert self.respond(challenge, given)["status"] == "valid"
        assert self.send(made.headers["location"], None).json()["status"] == "ready"
        done = self.finalize(made.json(), csr(key))
        assert done.status_code == 200, done.text
        assert done.json()["status"] == "valid"
        return self.certificate(done.json())


@dataclass
class Attestation:
    """What a device's chip says, with every part in reach: None leaves a property out, bytes replace it."""

    attester: Attester
    hardware: Hardware
    changed: dict[str, bytes | None] = field(default_factory=dict)
    fmt: str = "apple"

    def object(self, key: ec.EllipticCurvePrivateKey, token: str) -> bytes:
        facts = {**build_attested_facts(self.hardware, token), **self.changed}
        given = {oid: value for oid, value in facts.items() if value is not None}
        return build_attestation_object(self.attester.issue_chain(key, given), self.fmt)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and short type of a refusal."""
    return answer.status_code, answer.json()["type"].removeprefix(URN)
