"""A small MDM server for tests: invitation, SCEP, check-in, one queue per tablet. Shares no code with the product."""

from __future__ import annotations

import base64
import json
import plistlib
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.simulator.authority import ReferenceAuthority, verify_signed_data

TOPIC = "com.apple.mgmt.External.reference"
DECLARATION = {
    "Type": "com.apple.configuration.management.test",
    "Identifier": "c1",
    "ServerToken": "t1",
    "Payload": {"Echo": "x"},
}


@dataclass
class RecordedTablet:
    """What the server recorded about one tablet, and its queue of commands."""

    check_ins: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    fingerprints: list[str] = field(default_factory=list)
    queue: deque[dict[str, Any]] = field(default_factory=deque)
    postponed: list[dict[str, Any]] = field(default_factory=list)
    malformed_messages: int = 0
    next_response: Response | None = None

    @property
    def message_types(self) -> list[str]:
        return [str(item["MessageType"]) for item in self.check_ins]

    def get_last(self, key: str) -> Any:
        return self.results[-1][key]


class ReferenceServer:
    """State and request handlers of the server. `root` is the root of its TLS certificate (DER), which is in its profile."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.url = ""
        self.authority = ReferenceAuthority()
        self.tablets: defaultdict[str, RecordedTablet] = defaultdict(RecordedTablet)
        self.rights = 8191
        self.codes = {"WELCOME"}

    def build_app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/join/{code}", self.landing),
                Route("/join/{code}/profile", self.profile),
                Route("/scep", self.scep, methods=["GET", "POST"]),
                Route("/mdm", self.mdm, methods=["PUT", "POST"]),
                Route("/manifest", self.manifest),
            ]
        )

    def enqueue(self, udid: str, request_type: str, **arguments: Any) -> str:
        command_uuid = str(uuid.uuid4())
        self.tablets[udid].queue.append({"Command": {"RequestType": request_type, **arguments}, "CommandUUID": command_uuid})
        return command_uuid

    def build_enrolment_profile(self, **changed: Any) -> bytes:
        challenge = uuid.uuid4().hex
        self.authority.challenges.add(challenge)
        identity = str(uuid.uuid4())
        scep = {
            "URL": f"{self.url}/scep",
            "Name": "reference",
            "Subject": [[["O", "Ville"]], [["CN", "tablet"]]],
            "Challenge": challenge,
            "Keysize": 2048,
            "Key Type": "RSA",
            "Key Usage": 5,
            "CAFingerprint": self.authority.certificate.fingerprint(hashes.SHA1()),
            "RetryDelay": 0,
        }
        mdm = {
            "IdentityCertificateUUID": identity,
            "Topic": TOPIC,
            "ServerURL": f"{self.url}/mdm",
            "SignMessage": True,
            "AccessRights": self.rights,
            "CheckOutWhenRemoved": True,
            "ServerCapabilities": ["com.apple.mdm.bootstraptoken"],
        }
        payloads = [
            build_payload("com.apple.security.root", "ref.root", PayloadContent=self.root),
            build_payload("com.apple.security.scep", "ref.scep", PayloadUUID=identity, PayloadContent=scep),
            build_payload("com.apple.mdm", "ref.mdm", **(mdm | changed)),
        ]
        return build_profile("ref.enrolment", *payloads)

    def sign_profile(self, plist: bytes) -> bytes:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(plist)
        builder = builder.add_signer(self.authority.certificate, self.authority.key, hashes.SHA256())
        return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])

    async def landing(self, request: Request) -> Response:
        code = request.path_params["code"]
        return HTMLResponse(f"<a href='/join/{code}/profile'>profil</a>", 200 if code in self.codes else 404)

    async def profile(self, request: Request) -> Response:
        if request.path_params["code"] not in self.codes:
            return HTMLResponse("<p>invitation inconnue</p>", 404)
        plist = self.build_enrolment_profile()
        body = plist if "unsigned" in request.query_params else self.sign_profile(plist)
        return Response(body, media_type="application/x-apple-aspen-config")

    async def scep(self, request: Request) -> Response:
        operation = request.query_params["operation"]
        if operation == "GetCACaps":
            return Response(self.authority.capabilities, headers={"content-type": "text/plain"})
        if operation == "GetCACert":
            return Response(self.authority.der, headers={"content-type": "application/x-x509-ca-cert"})
        body = await request.body() if request.method == "POST" else base64.b64decode(request.query_params["message"])
        answer = await run_in_threadpool(self.authority.answer_scep, body)
        return Response(answer, headers={"content-type": "application/x-pki-message"})

    async def manifest(self, _request: Request) -> Response:
        metadata = {"bundle-identifier": "fr.ville.app", "bundle-version": "2.3", "kind": "software", "title": "App"}
        return Response(plistlib.dumps({"items": [{"assets": [], "metadata": metadata}]}), media_type="text/xml")

    async def mdm(self, request: Request) -> Response:
        body = await request.body()
        signed = cms.ContentInfo.load(base64.b64decode(request.headers["mdm-signature"]))["content"]
        certificate = x509.load_der_x509_certificate(verify_signed_data(signed, body))
        certificate.verify_directly_issued_by(self.authority.certificate)
        try:
            message = plistlib.loads(body)
            recorded = self.tablets[message["UDID"]]
        except Exception:  # noqa: BLE001 - whatever a garbled body raises
            for item in self.tablets.values():
                item.malformed_messages += certificate.fingerprint(hashes.SHA256()).hex() in item.fingerprints
            return Response(status_code=400)
        recorded.fingerprints.append(certificate.fingerprint(hashes.SHA256()).hex())
        reply, recorded.next_response = recorded.next_response, None
        if reply is not None:
            return reply
        if "MessageType" in message:
            assert request.headers["content-type"].startswith("application/x-apple-aspen-mdm-checkin")
            return self._check_in(recorded, message)
        return self._connect(recorded, message)

    def _check_in(self, recorded: RecordedTablet, message: dict[str, Any]) -> Response:
        recorded.check_ins.append(message)
        documents = {
            "tokens": {"SyncTokens": {"Timestamp": "2026-11-23T08:00:00Z", "DeclarationsToken": "all-1"}},
            "declaration-items": {
                "Declarations": {
                    "Activations": [],
                    "Configurations": [{"Identifier": "c1", "ServerToken": "t1"}],
                    "Assets": [],
                    "Management": [],
                },
                "DeclarationsToken": "all-1",
            },
            "declaration/configuration/c1": DECLARATION,
        }
        endpoint = message.get("Endpoint")
        if endpoint in documents:
            return Response(json.dumps(documents[endpoint]), media_type="application/json")
        return Response()

    def _connect(self, recorded: RecordedTablet, message: dict[str, Any]) -> Response:
        if message["Status"] == "Idle":
            recorded.queue.extendleft(reversed(recorded.postponed))
            recorded.postponed.clear()
        else:
            if "CommandUUID" not in message:
                recorded.malformed_messages += 1
                return Response(status_code=400)
            recorded.results.append(message)
            if recorded.queue and recorded.queue[0]["CommandUUID"] == message["CommandUUID"]:
                done = recorded.queue.popleft()
                if message["Status"] == "NotNow":
                    recorded.postponed.append(done)
        return Response(plistlib.dumps(recorded.queue[0]), media_type="application/xml") if recorded.queue else Response()


def build_payload(kind: str, identifier: str, **content: Any) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": str(uuid.uuid4()),
        **content,
    }


def build_profile(identifier: str, *payloads: dict[str, Any]) -> bytes:
    return plistlib.dumps(
        build_payload("Configuration", identifier, PayloadContent=list(payloads), PayloadDisplayName=identifier)
    )
