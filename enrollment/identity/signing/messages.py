"""The messages between the web process and `cartable signer`: one request and one answer per connection, bounded, JSON with a length."""

from __future__ import annotations

import socket
import struct
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter

#: A SCEP message has at most 64 KiB; in base64 a third more.
MAX_BYTES = 96 * 1024
_LENGTH = struct.Struct(">I")


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HolderKind(StrEnum):
    """For whom a certificate is."""

    TABLET = "tablet"
    INVITATION = "invitation"


class SignCertificate(_Message):
    """Asks for a certificate for a public key (SubjectPublicKeyInfo, DER)."""

    operation: Literal["sign_certificate"] = "sign_certificate"
    public_key: Annotated[Base64Bytes, Field(max_length=4096)]
    holder: HolderKind
    holder_id: UUID | None


class DecryptEnvelope(_Message):
    """Asks for the content of a SCEP request's envelope."""

    operation: Literal["decrypt_envelope"] = "decrypt_envelope"
    envelope: Base64Bytes


class SignCertRep(_Message):
    """Asks for the signed attributes of a SCEP response."""

    operation: Literal["sign_cert_rep"] = "sign_cert_rep"
    transaction_id: Annotated[str, Field(max_length=1024)]
    recipient_nonce: Annotated[Base64Bytes, Field(max_length=1024)]
    digest: Annotated[str, Field(pattern="^sha(1|256|384|512)$")]
    content_digest: Annotated[Base64Bytes, Field(min_length=20, max_length=128)]
    failure: Annotated[int, Field(ge=0, le=4)] | None


class Ping(_Message):
    """Asks whether the signer works, and which certificate its key belongs to."""

    operation: Literal["ping"] = "ping"


SignerRequest = Annotated[SignCertificate | DecryptEnvelope | SignCertRep | Ping, Field(discriminator="operation")]
REQUEST: TypeAdapter[SignerRequest] = TypeAdapter(SignerRequest)


class Refusal(StrEnum):
    """Why the signer does not do what is asked."""

    FORBIDDEN = "forbidden"
    BUSY = "busy"
    INVALID = "invalid"


class SignerAnswer(_Message):
    """The answer: a refusal, or what was asked for; `signature` of a response, `cipher` of an envelope."""

    refusal: Refusal | None = None
    content: Base64Bytes = b""
    signature: Base64Bytes = b""
    cipher: str = ""


def send(connection: socket.socket, message: BaseModel) -> None:
    """Write a message. Raises `OSError`."""
    body = message.model_dump_json().encode()
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> bytes:
    """Return the bytes of the next message. Raises `OSError`, `ValueError` for one that is too long, `EOFError`."""
    (length,) = _LENGTH.unpack(_read_exactly(connection, _LENGTH.size))
    if length > MAX_BYTES:
        raise ValueError("too long")
    return _read_exactly(connection, length)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError
        received += part
    return received
