"""The ACME client (RFC 8555) of a tablet: one account, one order for its client identifier, one attested key."""

from __future__ import annotations

import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator import jose
from simulator.attestation import Attester
from simulator.clock import TabletClock
from simulator.errors import AcmeFailed
from simulator.hardware import Hardware
from simulator.http_connection import HttpConnection, ServerResponse
from simulator.identity import Identity
from simulator.profile import AcmeSettings

_CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}
_MAX_ATTEMPTS = 3


class AcmeClient:
    """Obtains one certificate from one ACME server. Without `attester` the tablet's chip cannot attest keys."""

    def __init__(
        self,
        connection: HttpConnection,
        settings: AcmeSettings,
        hardware: Hardware,
        clock: TabletClock,
        attester: Attester | None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._hardware = hardware
        self._clock = clock
        self._attester = attester
        self._account = ec.generate_private_key(ec.SECP256R1())
        self._directory: dict[str, str] = {}
        self._nonce = ""
        self._kid = ""

    async def obtain_identity(self) -> Identity:
        """Obtain a new identity. Raises `AcmeFailed`, `Disconnected`."""
        self._directory = json.loads((await self._get(self._settings.directory_url)).body)
        await self._get(self._directory["newNonce"])
        _, self._kid = await self._post(self._directory["newAccount"], {"termsOfServiceAgreed": True})
        identifier = {"type": "permanent-identifier", "value": self._settings.client_identifier}
        order, order_url = await self._post(self._directory["newOrder"], {"identifiers": [identifier]})
        key = ec.generate_private_key(_CURVES[self._settings.key_bits]())
        for url in order["authorizations"]:
            authorization, _ = await self._post(url, None)
            await self._answer_challenge(authorization, key)
        order, _ = await self._post(order_url, None)
        if order["status"] != "ready":
            raise AcmeFailed(f"the order is {order['status']}: {order.get('error')}")
        order, _ = await self._post(order["finalize"], {"csr": jose.encode_base64url(self._build_csr(key))})
        if order["status"] != "valid":
            raise AcmeFailed(f"the order is {order['status']}: {order.get('error')}")
        chain = await self._send_signed(order["certificate"], None)
        [first, *_] = x509.load_pem_x509_certificates(chain.body)
        return self._check_issued_identity(Identity(key, first.public_bytes(serialization.Encoding.DER)))

    async def _answer_challenge(self, authorization: dict[str, Any], key: ec.EllipticCurvePrivateKey) -> None:
        challenges = [challenge for challenge in authorization["challenges"] if challenge["type"] == "device-attest-01"]
        if not challenges:
            raise AcmeFailed("there is no challenge of type device-attest-01")
        response: dict[str, str] = {}
        if self._settings.attest and self._attester is not None:
            attested = self._attester.attest_key(key, self._hardware, challenges[0]["token"])
            response = {"attObj": jose.encode_base64url(attested)}
        answered, _ = await self._post(challenges[0]["url"], response)
        if answered["status"] != "valid":
            raise AcmeFailed(f"the challenge is {answered['status']}: {answered.get('error')}")

    async def _get(self, url: str) -> ServerResponse:
        reply = await self._connection.request("GET", url)
        if reply.status not in {200, 204}:
            raise AcmeFailed(f"{url}: HTTP {reply.status}")
        self._nonce = reply.headers.get("replay-nonce", self._nonce)
        return reply

    async def _post(self, url: str, payload: Any) -> tuple[dict[str, Any], str]:
        """Send a signed request; return the JSON document of the response and its Location."""
        reply = await self._send_signed(url, payload)
        return json.loads(reply.body), reply.headers.get("location", "")

    async def _send_signed(self, url: str, payload: Any) -> ServerResponse:
        for _ in range(_MAX_ATTEMPTS):
            head = {"kid": self._kid} if self._kid else {"jwk": jose.build_jwk(self._account)}
            body = jose.sign_jws(self._account, {**head, "nonce": self._nonce, "url": url}, payload)
            headers = {"Content-Type": "application/jose+json"}
            reply = await self._connection.request("POST", url, headers, json.dumps(body).encode())
            self._nonce = reply.headers.get("replay-nonce", "")
            if reply.status < 300:
                return reply
            if b":badNonce" not in reply.body:
                break
        raise AcmeFailed(f"{url}: HTTP {reply.status} {reply.body[:200]!r}")

    def _build_csr(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._hardware.serial)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.DER)

    def _check_issued_identity(self, identity: Identity) -> Identity:
        certificate = identity.certificate
        if certificate.public_key() != identity.key.public_key():
            raise AcmeFailed("the first certificate of the chain is for another key")
        if not certificate.not_valid_before_utc <= self._clock.now() <= certificate.not_valid_after_utc:
            raise AcmeFailed("by the tablet's clock the issued certificate is not in date")
        return identity
