"""The SCEP client (RFC 8894) in the dialects of devices and old libraries. `scep_message` builds and reads the messages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from simulator import cms, scep_message
from simulator.clock import TabletClock
from simulator.errors import Disconnected, InvalidSignedData, ScepFailed
from simulator.http_connection import HttpConnection
from simulator.identity import Identity, KeySource
from simulator.profile import ScepSettings
from simulator.scep_message import EnvelopeCipher, PkiMessageType
from simulator.signature import SHA1, SHA256

_NAMES = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "EMAIL": NameOID.EMAIL_ADDRESS,
}
_SUBSTITUTE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ScepDialect:
    """The algorithms and the HTTP method of a client. None: chosen by the server's capabilities, as iPads do.

    `own_signer_key`: the message is signed with another key than that of the request, under a name of its own.
    """

    name: str
    cipher: EnvelopeCipher | None = None
    digest: str | None = None
    post: bool | None = None
    own_signer_key: bool = False


SCEP_DIALECTS = {
    dialect.name: dialect
    for dialect in (
        ScepDialect("aes"),
        ScepDialect("aes-256", EnvelopeCipher.AES_256, SHA256, post=True),
        ScepDialect("aes-get", EnvelopeCipher.AES_128, SHA256, post=False),
        ScepDialect("3des", EnvelopeCipher.TRIPLE_DES, SHA1, post=True),
        ScepDialect("des-sha1", EnvelopeCipher.DES, SHA1, post=True),
        ScepDialect("own-signer", own_signer_key=True),
        ScepDialect("mdmb", EnvelopeCipher.DES, SHA1, post=True, own_signer_key=True),
    )
}


class ScepClient:
    """Obtains certificates from one SCEP server. `pace` multiplies the profile's RetryDelay."""

    def __init__(
        self, connection: HttpConnection, settings: ScepSettings, dialect: ScepDialect, clock: TabletClock, pace: float = 1.0
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._dialect = dialect
        self._clock = clock
        self._pace = pace

    async def obtain_identity(self, keys: KeySource, renewing: Identity | None = None) -> Identity:
        """Obtain a new identity with the profile's challenge, or with a RenewalReq signed by `renewing`. Raises `ScepFailed`."""
        capabilities = await self._get_ca_capabilities()
        authority = await self._get_ca_certificates()
        key = await keys(self._settings.key_bits)
        csr = self._build_csr(key)
        signer = renewing or await self._create_signer(key, keys)
        kind = PkiMessageType.RENEWAL_REQ if renewing else PkiMessageType.PKCS_REQ
        transaction = hashlib.sha256(_encode_public_key(key)).hexdigest().upper()
        cipher = self._dialect.cipher or _choose_cipher(capabilities)
        digest = self._dialect.digest or (SHA256 if capabilities & {"SHA-256", "SCEPSTANDARD"} else SHA1)
        request = scep_message.build_request(
            signer, csr, _choose_recipient(authority), kind=kind, cipher=cipher, digest=digest, transaction=transaction
        )
        post = self._dialect.post
        if post is None:
            post = bool(capabilities & {"POSTPKIOPERATION", "SCEPSTANDARD"})
        certificate = scep_message.read_cert_rep(
            await self._send_pki_message(request.message, post), request, frozenset(authority)
        )
        return self._check_issued_identity(Identity(key, certificate))

    async def _get_ca_capabilities(self) -> set[str]:
        reply = await self._connection.request("GET", self._build_url("GetCACaps"))
        return {line.strip().upper() for line in reply.body.decode("latin-1").splitlines()} if reply.status == 200 else set()

    async def _get_ca_certificates(self) -> list[bytes]:
        reply = await self._connection.request("GET", self._build_url("GetCACert", self._settings.name))
        kind = reply.headers.get("content-type", "")
        if reply.status != 200:
            raise ScepFailed(f"GetCACert: HTTP {reply.status}")
        if kind == "application/x-x509-ca-cert":
            certificates = [reply.body]
        elif kind == "application/x-x509-ca-ra-cert":
            try:
                certificates = list(cms.parse_degenerate_certificates(reply.body))
            except InvalidSignedData as error:
                raise ScepFailed(f"GetCACert: {error}") from error
        else:
            raise ScepFailed(f"GetCACert is served as {kind!r}")
        pin = self._settings.fingerprint
        prints = {
            hashlib.new(name, certificate, usedforsecurity=False).digest()
            for name in ("sha1", "md5")
            for certificate in certificates
        }
        if pin and pin not in prints:
            raise ScepFailed("GetCACert's certificate is not the certificate that the profile pins")
        return certificates

    async def _send_pki_message(self, message: bytes, post: bool) -> bytes:
        for attempt in range(self._settings.retries + 1):
            if attempt:
                await asyncio.sleep(self._settings.retry_delay * self._pace)
            try:
                if post:
                    headers = {"Content-Type": "application/x-pki-message"}
                    reply = await self._connection.request("POST", self._build_url("PKIOperation"), headers, message)
                else:
                    reply = await self._connection.request(
                        "GET", self._build_url("PKIOperation", base64.b64encode(message).decode())
                    )
            except Disconnected:
                continue
            if reply.status < 500:
                break
        else:
            raise ScepFailed("PKIOperation: no answer")
        if reply.status != 200:
            raise ScepFailed(f"PKIOperation: HTTP {reply.status} {reply.body[:120]!r}")
        if reply.media_type != "application/x-pki-message":
            raise ScepFailed(f"PKIOperation is answered as {reply.media_type!r}")
        return reply.body

    def _build_url(self, operation: str, message: str = "") -> str:
        joint = "&" if "?" in self._settings.url else "?"
        extra = f"&message={quote(message, safe='')}" if message else ""
        return f"{self._settings.url}{joint}operation={operation}{extra}"

    def _build_subject(self) -> x509.Name:
        pairs = self._settings.subject or (("CN", "SCEP SIGNER"),)
        return x509.Name([x509.NameAttribute(_NAMES.get(name) or x509.ObjectIdentifier(name), value) for name, value in pairs])

    def _build_csr(self, key: rsa.RSAPrivateKey) -> bytes:
        builder = x509.CertificateSigningRequestBuilder().subject_name(self._build_subject())
        if self._settings.challenge:
            builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, self._settings.challenge.encode())
        usage = self._settings.key_usage
        if usage:
            builder = builder.add_extension(_build_key_usage(sign=bool(usage & 1), encrypt=bool(usage & 4)), critical=True)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    async def _create_signer(self, key: rsa.RSAPrivateKey, keys: KeySource) -> Identity:
        """Return a self-signed identity to sign a PKCSReq: of the requested key, or of a key of its own as the dialect says."""
        if not self._dialect.own_signer_key:
            return Identity(key, self._build_self_signed_certificate(key, self._build_subject()))
        signer_key = await keys(2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCEP SIGNER")])
        return Identity(signer_key, self._build_self_signed_certificate(signer_key, name))

    def _build_self_signed_certificate(self, key: rsa.RSAPrivateKey, name: x509.Name) -> bytes:
        now = self._clock.now()
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + _SUBSTITUTE_DAY)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _check_issued_identity(self, identity: Identity) -> Identity:
        certificate = identity.certificate
        if certificate.public_key() != identity.key.public_key():
            raise ScepFailed("the first certificate of the answer is for another key")
        if not certificate.not_valid_before_utc <= self._clock.now() <= certificate.not_valid_after_utc:
            raise ScepFailed("by the tablet's clock the issued certificate is not in date")
        return identity


def _choose_cipher(capabilities: set[str]) -> EnvelopeCipher:
    if capabilities & {"AES", "SCEPSTANDARD"}:
        return EnvelopeCipher.AES_128
    return EnvelopeCipher.TRIPLE_DES if "DES3" in capabilities else EnvelopeCipher.DES


def _choose_recipient(authority: list[bytes]) -> bytes:
    """Return the certificate to encrypt for: that of a registration authority if there is one, otherwise the first."""
    for certificate in authority:
        try:
            constraints = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(x509.BasicConstraints)
        except x509.ExtensionNotFound:
            return certificate
        if not constraints.value.ca:
            return certificate
    return authority[0]


def _build_key_usage(*, sign: bool, encrypt: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_encipherment=encrypt,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _encode_public_key(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
