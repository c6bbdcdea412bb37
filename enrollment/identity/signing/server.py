"""The process `cartable signer`: a Unix socket that does three things with the device CA's key, and refuses everything else.

It has no database and no master key. See docs/adr/0063-the-key-of-the-device-authority-may-live-in-a-process-of-its-own.md.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import threading
from hashlib import sha256
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from cartable.clock import Clock
from cartable.private_files import open_private
from cartable.settings import Settings
from enrollment.identity import keys
from enrollment.identity.signing import messages
from enrollment.identity.signing.in_process import InProcessSigner
from enrollment.identity.signing.limits import MinuteLimit
from enrollment.identity.signing.messages import HolderKind, Refusal, SignerAnswer, SignerRequest
from enrollment.identity.signing.port import CertificateHolder, CertRepFields

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: see socket(7), SO_PEERCRED
_READ_SECONDS = 5.0
_MAX_CONNECTIONS = 32
_MAX_KEY_BITS = 8192
log = structlog.get_logger()


class DeviceSignerServer(socketserver.ThreadingUnixStreamServer):
    """Listens on a socket; each connection is one request of the allowed user."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, path: Path, certificate: x509.Certificate, key: rsa.RSAPrivateKey, settings: Settings, clock: Clock, log_file: Path
    ) -> None:
        self.allowed_uid = os.getuid() if settings.signer_allowed_uid is None else settings.signer_allowed_uid
        self._certificate, self._key, self._settings, self._clock = certificate, key, settings, clock
        self._limit = MinuteLimit(settings.signer_per_minute)
        self._log_lock = threading.Lock()
        self._log_file = log_file
        self._slots = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        path.unlink(missing_ok=True)  # of a process that was killed
        former = os.umask(0o117)  # the group may connect; who it is, is asked of the kernel
        try:
            super().__init__(str(path), _SignerConnection)
        finally:
            os.umask(former)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Start a thread for a connection, or wait for one of the others to end."""
        self._slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Answer a connection in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def answer(self, body: bytes) -> SignerAnswer:
        """Return the answer to a request of the allowed user."""
        try:
            request = messages.REQUEST.validate_json(body)
        except ValidationError:
            log.warning("signer.forbidden_request", size=len(body))
            return SignerAnswer(refusal=Refusal.FORBIDDEN)
        now = self._clock.now()
        if not self._limit.allow(request.operation, now):
            log.error(
                "signer.limit_reached", operation=request.operation, certificates_per_minute=self._settings.signer_per_minute
            )
            return SignerAnswer(refusal=Refusal.BUSY)
        try:
            return self._perform(InProcessSigner(self._certificate, self._key, self._settings, now), request)
        except ValueError:
            return SignerAnswer(refusal=Refusal.INVALID)

    def _perform(self, signer: InProcessSigner, request: SignerRequest) -> SignerAnswer:
        match request:
            case messages.SignCertificate():
                return _answer_with(self._sign_certificate(signer, request))
            case messages.DecryptEnvelope():
                content, cipher = signer.decrypt_envelope(request.envelope)
                return _answer_with(content, cipher=cipher.value)
            case messages.SignCertRep():
                signed = signer.sign_cert_rep(
                    CertRepFields(
                        request.transaction_id, request.recipient_nonce, request.digest, request.content_digest, request.failure
                    )
                )
                return _answer_with(signed.attributes, signature=signed.signature)
            case messages.Ping():
                return _answer_with(self._certificate.public_bytes(Encoding.DER))

    def _sign_certificate(self, signer: InProcessSigner, request: messages.SignCertificate) -> bytes:
        """Return a signed certificate, after it stands in the log. Raises `ValueError` for a key that no tablet has."""
        key = keys.load_public_key(request.public_key)
        minimum = 1024 if self._settings.scep_allow_rsa1024 else 2048
        if isinstance(key, rsa.RSAPublicKey) and not minimum <= key.key_size <= _MAX_KEY_BITS:
            raise ValueError("key size")
        is_tablet = request.holder is HolderKind.TABLET
        holder = CertificateHolder(
            tablet_id=request.holder_id if is_tablet else None, invitation_id=None if is_tablet else request.holder_id
        )
        der = signer.sign_certificate(key, holder)
        entry = {
            "at": signer.now.isoformat(),
            "certificate": sha256(der).hexdigest(),
            "key": keys.compute_fingerprint(key),
            "holder": request.holder.value,
        }
        with self._log_lock, open_private(self._log_file, "ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return der


def _answer_with(content: bytes, *, signature: bytes = b"", cipher: str = "") -> SignerAnswer:
    return SignerAnswer.model_construct(refusal=None, content=content, signature=signature, cipher=cipher)


class _SignerConnection(socketserver.BaseRequestHandler):
    server: DeviceSignerServer

    def handle(self) -> None:
        connection: socket.socket = self.request
        connection.settimeout(_READ_SECONDS)
        _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        try:
            if uid != self.server.allowed_uid:
                log.error("signer.wrong_user", uid=uid)
                messages.send(connection, SignerAnswer(refusal=Refusal.FORBIDDEN))
                return
            messages.send(connection, self.server.answer(messages.receive(connection)))
        except ValueError:
            log.warning("signer.forbidden_request", size=None)
            messages.send(connection, SignerAnswer(refusal=Refusal.FORBIDDEN))
        except (OSError, EOFError):
            log.warning("signer.broken_connection", exc_info=True)
