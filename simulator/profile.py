"""Parses configuration profiles as an iPad does: verifies the signature, checks and finds the payloads. Installs nothing."""

from __future__ import annotations

import base64
import plistlib
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from simulator import cms
from simulator.errors import InvalidProfile, InvalidSignedData, UnexpectedResponse
from simulator.http_connection import HttpConnection

MEDIA_TYPE = "application/x-apple-aspen-config"
MDM_PAYLOAD_TYPE = "com.apple.mdm"
SCEP_PAYLOAD_TYPE = "com.apple.security.scep"
ACME_PAYLOAD_TYPE = "com.apple.security.acme"
CERTIFICATE_PAYLOAD_TYPES = frozenset({"com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem"})


@dataclass(frozen=True)
class ScepSettings:
    """The settings of a SCEP payload, with Apple's defaults."""

    url: str
    name: str
    subject: tuple[tuple[str, str], ...]
    challenge: str
    key_bits: int
    key_usage: int
    fingerprint: bytes
    retries: int
    retry_delay: float


@dataclass(frozen=True)
class AcmeSettings:
    """The settings of an ACME payload for an elliptic key in the Secure Enclave."""

    directory_url: str
    client_identifier: str
    key_bits: int
    attest: bool


@dataclass(frozen=True)
class MdmSettings:
    """The settings of a com.apple.mdm payload, with Apple's defaults."""

    server_url: str
    checkin_url: str
    topic: str
    access_rights: int
    sign_message: bool
    check_out: bool
    identity_uuid: str
    payload_identifier: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class ConfigurationProfile:
    """One configuration profile: its dictionary, and the DER certificates it was signed with (none if it is not signed)."""

    content: dict[str, Any]
    signers: tuple[bytes, ...]

    @property
    def identifier(self) -> str:
        return str(self.content["PayloadIdentifier"])

    @property
    def uuid(self) -> str:
        return str(self.content["PayloadUUID"])

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return list(self.content["PayloadContent"])

    @property
    def roots(self) -> frozenset[bytes]:
        """The root certificates in the profile, as DER."""
        return frozenset(
            _to_der(payload["PayloadContent"]) for payload in self.payloads if payload["PayloadType"] in CERTIFICATE_PAYLOAD_TYPES
        )

    @property
    def mdm_settings(self) -> MdmSettings | None:
        """The settings of the MDM payload; None in an ordinary profile. Raises `InvalidProfile` for two or a malformed one."""
        mdm_payloads = [payload for payload in self.payloads if payload["PayloadType"] == MDM_PAYLOAD_TYPE]
        if len(mdm_payloads) > 1:
            raise InvalidProfile("more than one MDM payload")
        return _parse_mdm_payload(mdm_payloads[0]) if mdm_payloads else None

    def get_identity_settings(self, mdm: MdmSettings) -> ScepSettings | AcmeSettings:
        """Return the settings of the SCEP or ACME payload that the MDM payload names. Raises `InvalidProfile`."""
        for payload in self.payloads:
            if payload["PayloadUUID"] == mdm.identity_uuid and payload["PayloadType"] in {SCEP_PAYLOAD_TYPE, ACME_PAYLOAD_TYPE}:
                return (
                    _parse_scep_payload(payload) if payload["PayloadType"] == SCEP_PAYLOAD_TYPE else _parse_acme_payload(payload)
                )
        raise InvalidProfile("IdentityCertificateUUID names no SCEP or ACME payload of this profile")


def parse_profile(data: bytes) -> ConfigurationProfile:
    """Parse a profile, signed or not. Raises `InvalidProfile` for one that an iPad would not install."""
    signers: tuple[bytes, ...] = ()
    if not data.lstrip().startswith((b"<", b"bplist")):
        try:
            opened = cms.verify_signed_data(data)
        except InvalidSignedData as error:
            raise InvalidProfile(f"the profile's signature: {error}") from error
        data = opened.content
        signers = (opened.signer, *(certificate for certificate in opened.certificates if certificate != opened.signer))
    try:
        content = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError) as error:
        raise InvalidProfile(f"not a property list: {error}") from error
    _check_structure(content)
    return ConfigurationProfile(content, signers)


async def fetch_profile(connection: HttpConnection, url: str) -> ConfigurationProfile:
    """Download an enrolment profile as Safari does. Raises `UnexpectedResponse`, `InvalidProfile`, `Disconnected`."""
    reply = await connection.request("GET", url)
    if reply.status != 200:
        raise UnexpectedResponse("the enrolment profile", reply.status, reply.body)
    if reply.media_type != MEDIA_TYPE:
        raise InvalidProfile(f"served as {reply.media_type or 'nothing'}: Safari would not offer to install it")
    return parse_profile(reply.body)


def _check_structure(content: Any) -> None:
    if not isinstance(content, dict) or content.get("PayloadType") != "Configuration":
        raise InvalidProfile("the top level is no Configuration")
    items = content.get("PayloadContent")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidProfile("PayloadContent is no list of dictionaries")
    for part in (content, *items):
        for key in ("PayloadType", "PayloadIdentifier", "PayloadUUID"):
            if not isinstance(part.get(key), str) or not part[key]:
                raise InvalidProfile(f"{key} is missing in {part.get('PayloadType', 'a payload')}")
        if part.get("PayloadVersion") != 1:
            raise InvalidProfile(f"PayloadVersion is not 1 in {part['PayloadType']}")
    uuids = [item["PayloadUUID"] for item in items]
    if len(set(uuids)) != len(uuids):
        raise InvalidProfile("two payloads have one PayloadUUID")


def _parse_mdm_payload(payload: dict[str, Any]) -> MdmSettings:
    try:
        server, topic = payload["ServerURL"], payload["Topic"]
        identity = payload["IdentityCertificateUUID"]
    except KeyError as error:
        raise InvalidProfile(f"the MDM payload lacks {error}") from error
    rights = payload.get("AccessRights", 0)
    checkin = payload.get("CheckInURL", server)
    if not server.startswith("https://") or not checkin.startswith("https://"):
        raise InvalidProfile("MDM addresses must be https")
    if not topic.startswith("com.apple.mgmt."):
        raise InvalidProfile(f"{topic} is no push topic for MDM")
    if not isinstance(rights, int) or not 1 <= rights <= 8191:
        raise InvalidProfile(f"AccessRights {rights!r}")
    return MdmSettings(
        server_url=server,
        checkin_url=checkin,
        topic=topic,
        access_rights=rights,
        sign_message=bool(payload.get("SignMessage", False)),
        check_out=bool(payload.get("CheckOutWhenRemoved", False)),
        identity_uuid=identity,
        payload_identifier=payload["PayloadIdentifier"],
        capabilities=tuple(payload.get("ServerCapabilities", ())),
    )


def _parse_scep_payload(payload: dict[str, Any]) -> ScepSettings:
    inner = payload.get("PayloadContent")
    if not isinstance(inner, dict) or not isinstance(inner.get("URL"), str):
        raise InvalidProfile("the SCEP payload has no URL in its PayloadContent")
    if inner.get("Key Type", "RSA") != "RSA":
        raise InvalidProfile("SCEP knows only RSA")
    return ScepSettings(
        url=inner["URL"],
        name=inner.get("Name", ""),
        subject=tuple((str(pair[0]), str(pair[1])) for group in inner.get("Subject", []) for pair in group),
        challenge=inner.get("Challenge", ""),
        key_bits=inner.get("Keysize", 1024),
        key_usage=inner.get("Key Usage", 0),
        fingerprint=inner.get("CAFingerprint", b""),
        retries=inner.get("Retries", 3),
        retry_delay=inner.get("RetryDelay", 10),
    )


def _parse_acme_payload(payload: dict[str, Any]) -> AcmeSettings:
    try:
        url, identifier, bits = payload["DirectoryURL"], payload["ClientIdentifier"], payload["KeySize"]
        kind, bound = payload["KeyType"], payload["HardwareBound"]
        _ = payload["Subject"]
    except KeyError as error:
        raise InvalidProfile(f"the ACME payload lacks {error}") from error
    if not url.startswith("https://"):
        raise InvalidProfile("an ACME directory must be https")
    if kind != "ECSECPrimeRandom" or bits not in {256, 384} or bound is not True:
        raise InvalidProfile("this tablet makes elliptic keys in its Secure Enclave, of 256 or 384 bits")
    return AcmeSettings(url, identifier, bits, payload.get("Attest", False))


def _to_der(content: bytes) -> bytes:
    if content.lstrip().startswith(b"-----"):
        lines = content.decode("ascii").splitlines()
        return base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
    return content
