"""Seeds a fleet for measurements: enrolled tablets with certificates of the device CA that can sign requests."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, select

from bench.load import build_request
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity.models import DeviceCertificate
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet, TabletState
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.protocol.commands.registry import COMMANDS
from mdm.queue.models import CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.queue.rules import build_command_uuid
from simulator.identity import Identity
from simulator.signature import SignatureShape, build_mdm_signature

#: Number of different keys. Certificates are all different, but generating 2 000 keys would take longer than the measurement.
KEYS = 32
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SeededTablet:
    """An enrolled tablet and its private key."""

    udid: str
    enrollment_id: int
    identity: Identity

    def build_signed_request(self, message: dict[str, object]) -> bytes:
        """Build the bytes of a request with this message, signed as a genuine tablet signs it."""
        body = plistlib.dumps({"UDID": self.udid, **message})
        signed = build_mdm_signature(self.identity, body, SignatureShape.IPAD, datetime.now(UTC))
        return build_request("PUT", "/mdm", HOST, {"Mdm-Signature": signed, "Content-Type": "application/xml"}, body)


def seed_fleet(runtime: Runtime, count: int) -> list[SeededTablet]:
    """Add `count` enrolled tablets of one town, in one transaction."""
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(min(KEYS, count))]
    with runtime.open_unit_of_work() as work:
        town = Town(name="Mesure", slug=f"mesure-{uuid4().hex[:8]}", zone="C", time_zone="Europe/Paris", tag_prefix="M")
        work.session.add(town)
        work.session.flush()
        return [_seed_tablet(work, town.id, number, keys[number % len(keys)]) for number in range(count)]


def _seed_tablet(work: UnitOfWork, town_id: UUID, number: int, key: rsa.RSAPrivateKey) -> SeededTablet:
    tablet = Tablet(
        town_id=town_id, serial=f"BENCH{uuid4().hex[:10].upper()}", tag=f"M-{number:06d}", state=TabletState.IN_USE,
        os_version="26.1", supervised=True, created_at=work.now,
    )  # fmt: skip
    work.session.add(tablet)
    work.session.flush()
    certificate = _issue_certificate(work, tablet.id, key)
    udid = f"00008101-{uuid4().hex[:16].upper()}"
    row = DeviceEnrollment(
        town_id=town_id, tablet_id=tablet.id, channel_key=udid, udid=udid, state=EnrollmentState.ENROLLED,
        fingerprint=certificate.fingerprint, topic="com.apple.mgmt.External.bench", authenticated_at=work.now,
        enrolled_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    work.session.add(LastSeen(enrollment_id=row.id, town_id=row.town_id, last_seen_at=work.now))
    return SeededTablet(udid, row.id, Identity(key, certificate.der))


def _issue_certificate(work: UnitOfWork, tablet_id: UUID, key: rsa.RSAPrivateKey) -> DeviceCertificate:
    return identity.issue_certificate(work, identity.CertificateHolder(tablet_id=tablet_id), key.public_key(), None)


def seed_command_history(runtime: Runtime, enrollment_ids: Sequence[int], answered: int) -> None:
    """Add `answered` acknowledged commands with their results for every tablet."""
    with runtime.open_unit_of_work() as work:
        bodies = [_add_command_body(work, COMMANDS["ProfileList"].request_type) for _ in range(answered)]
        past = work.now - timedelta(days=30)
        town_id = work.session.get_one(DeviceEnrollment, enrollment_ids[0]).town_id
        for body_id in bodies:
            rows = [
                {
                    "enrollment_id": enrollment_id, "town_id": town_id, "generation": 1, "body_id": body_id, "lane": 2,
                    "state": CommandState.ACKNOWLEDGED, "deadline": past, "created_at": past, "sent_at": past,
                    "finished_at": past, "delivery_count": 1,
                }
                for enrollment_id in enrollment_ids
            ]  # fmt: skip
            work.session.execute(insert(QueuedCommand), rows)
        ids = work.session.scalars(select(QueuedCommand.id).where(QueuedCommand.body_id.in_(bodies))).all()
        for start in range(0, len(ids), 10_000):
            chunk = ids[start : start + 10_000]
            work.session.execute(
                insert(CommandResult),
                [
                    {"command_id": i, "town_id": town_id, "status": "Acknowledged", "received_at": past, "body": None}
                    for i in chunk
                ],
            )


def _add_command_body(work: UnitOfWork, request_type: str) -> int:
    body = CommandBody(nonce=1, request_type=request_type, args=b"{}", requested_by_name="bench", created_at=work.now)
    work.session.add(body)
    work.session.flush()
    return body.id


def load_queued_command_uuids(work: UnitOfWork) -> dict[int, list[str]]:
    """Return the CommandUUIDs of queued commands by enrollment, in the order of delivery."""
    statement = (
        select(QueuedCommand.enrollment_id, QueuedCommand.id, CommandBody.nonce)
        .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        .where(QueuedCommand.state == CommandState.QUEUED)
        .order_by(QueuedCommand.lane, QueuedCommand.id)
    )
    uuids_by_enrollment: dict[int, list[str]] = {}
    for enrollment_id, command_id, nonce in work.session.execute(statement):
        uuids_by_enrollment.setdefault(enrollment_id, []).append(build_command_uuid(nonce, command_id))
    return uuids_by_enrollment
