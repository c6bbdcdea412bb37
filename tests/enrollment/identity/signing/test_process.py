"""`cartable signer` does three things for one user, is bounded, and is missed by nobody who only checks in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from hashlib import sha256
from uuid import UUID

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, text

from cartable.scope import SYSTEM
from enrollment.identity import keys
from enrollment.identity.errors import InvalidAuthority
from enrollment.identity.models import CertificateAuthority, DeviceCertificate, IdentityChallenge
from enrollment.identity.service import import_authority
from enrollment.identity.signing import messages
from enrollment.identity.signing.key_store import get_authorities_file, get_log_file
from enrollment.identity.signing.messages import Refusal, SignerAnswer
from enrollment.identity.signing.port import CertificateHolder, SignerUnavailable
from enrollment.identity.signing.remote import RemoteSigner
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from mdm.cli.doctor.diagnosis import Health
from mdm.cli.doctor.signer import check_signer
from mdm.cli.moving_authority import move_authority_keys
from mdm.cli.preflight import CannotStart
from mdm.cli.signer import create_server
from mdm.devices.models import DeviceEnrollment
from mdm.reconcile.renewals import renew_identity
from simulator import SimulatedTablet
from simulator.errors import ScepFailed
from tests.enrollment.identity.scep.conftest import Requester, rsa_key
from tests.support.server import LiveServer
from tests.support.signer_process import SignerProcess
from tests.support.world import TownFactory

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database

_HOLDER = CertificateHolder(tablet_id=UUID(int=7))
_KEY = rsa_key().public_key()


def _ask(path: str, body: bytes, length: int | None = None) -> SignerAnswer:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall((len(body) if length is None else length).to_bytes(4, "big") + body)
        return SignerAnswer.model_validate_json(messages.receive(connection))


def test_a_tablet_enrolls_and_renews_through_the_signer_and_a_killed_one_returns(
    server: LiveServer, signer: SignerProcess
) -> None:
    asyncio.run(_enroll_and_renew(server, signer))


async def _enroll_and_renew(server: LiveServer, signer: SignerProcess) -> None:
    await asyncio.to_thread(signer.start)
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=3)
        codes = [create_invitations(work, SYSTEM, spec)[0].code for _ in range(2)]
    async with (
        SimulatedTablet(server.url, codes[0], ca=server.ca, pace=0.01) as tablet,
        SimulatedTablet(server.url, codes[1], ca=server.ca, pace=0.01) as late,
    ):
        await tablet.enrol()
        first = tablet.identity.fingerprint

        await asyncio.to_thread(signer.kill)
        with pytest.raises(ScepFailed, match="no answer"):
            await late.enrol()
        with server.runtime.open_unit_of_work() as work:
            renew_identity(work, work.session.scalars(select(DeviceEnrollment.id)).one())
            assert [each.health for each in check_signer(work)] == [Health.FAILED]
        with httpx.Client(verify=False) as client:
            ready = await asyncio.to_thread(client.get, f"{server.url}/readyz")
        assert (ready.status_code, ready.json()["warnings"]) == (200, ["signer_away"])
        await asyncio.to_thread(server.run_worker)
        talked = await tablet.poll()
        assert talked.request_types  # it checks in and gets its commands, although it cannot renew
        assert tablet.identity.fingerprint == first

        await asyncio.to_thread(signer.start)
        await late.enrol()
        await tablet.renew_certificate()
        await tablet.poll()
        assert tablet.identity.fingerprint != first
    with server.runtime.open_unit_of_work() as work:
        assert [each.health for each in check_signer(work)] == [Health.GOOD]
        issued = set(work.session.scalars(select(DeviceCertificate.fingerprint)))
    entries = [json.loads(line) for line in get_log_file(signer.key_file).read_text().splitlines()]
    assert {entry["certificate"] for entry in entries} == issued
    assert {frozenset(entry) for entry in entries} == {frozenset({"at", "certificate", "key", "holder"})}


def test_a_challenge_stays_unspent_while_the_signer_is_away(server: LiveServer, signer: SignerProcess) -> None:
    with httpx.Client(base_url=server.url, verify=False, timeout=20) as http:
        scep = Requester(server, http)
        request = scep.request(scep.challenge())
        answer = scep.send(request.message)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        with server.runtime.open_unit_of_work() as work:
            assert work.session.scalars(select(IdentityChallenge.used_at)).all() == [None]
        signer.start()
        assert scep.certificate(request).public_key() == _KEY


def test_after_the_move_the_database_has_no_key_and_the_signer_alone_can_read_its_own(
    server: LiveServer, signer: SignerProcess
) -> None:
    with server.runtime.open_unit_of_work() as work:
        assert work.session.execute(text("SELECT private_key FROM certificate_authority")).scalars().all() == [None]
        assert work.session.scalars(select(CertificateAuthority.private_key)).all() == [None]
        [certificate] = work.session.scalars(select(CertificateAuthority.certificate))
        with pytest.raises(InvalidAuthority, match="bad_authority"):
            import_authority(work, SYSTEM, b"", b"")
    for file in (signer.key_file, get_authorities_file(signer.key_file)):
        assert file.stat().st_mode & 0o077 == 0
    assert certificate not in signer.key_file.read_bytes()
    assert move_authority_keys(server.runtime) == 3


def test_everything_else_is_refused(signer: SignerProcess, remote: RemoteSigner) -> None:
    signer.start()
    path = str(signer.socket)
    certificate = x509.load_der_x509_certificate(remote.sign_certificate(_KEY, _HOLDER))
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert UUID(int=7).hex in str(certificate.subject.rfc4514_string()).replace("-", "")
    good = json.loads(
        messages.SignCertificate.model_construct(
            public_key=keys.encode_public_key(_KEY), holder=messages.HolderKind.TABLET, holder_id=UUID(int=7)
        ).model_dump_json()
    )
    forbidden = [
        b"", b"\x00\xff", b"[]", b'{"operation":"sign"}', b'{"operation":"export_key"}',
        json.dumps(good | {"serial": 1}).encode(),
        json.dumps(good | {"not_after": "2099-01-01"}).encode(),
        json.dumps(good | {"holder": "authority"}).encode(),
        json.dumps(good | {"holder_id": "Amélie"}).encode(),
    ]  # fmt: skip
    for body in forbidden:
        assert _ask(path, body).refusal is Refusal.FORBIDDEN, body
    assert _ask(path, b"", length=200_000).refusal is Refusal.FORBIDDEN
    small = json.dumps(good | {"public_key": "AAAA"}).encode()
    assert _ask(path, small).refusal is Refusal.INVALID
    with pytest.raises(ValueError, match="refused"):
        remote.decrypt_envelope(b"no envelope")
    assert len(get_log_file(signer.key_file).read_text().splitlines()) == 1
    assert sha256(remote.certificate.public_bytes(Encoding.DER)).hexdigest() not in get_log_file(signer.key_file).read_text()


def test_another_user_is_refused(signer: SignerProcess, remote: RemoteSigner) -> None:
    signer.start(SIGNER_ALLOWED_UID=os.getuid() + 1)
    with pytest.raises(SignerUnavailable):
        remote.sign_certificate(_KEY, _HOLDER)
    with pytest.raises(SignerUnavailable):
        remote.check()
    assert not get_log_file(signer.key_file).exists()


def test_more_certificates_than_allowed_are_refused_and_logged(signer: SignerProcess, remote: RemoteSigner) -> None:
    signer.start(SIGNER_PER_MINUTE=1)
    with pytest.raises(SignerUnavailable):
        for _ in range(4):  # a new minute may begin meanwhile
            remote.sign_certificate(_KEY, _HOLDER)
    process = signer.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=15)
    assert "signer.limit_reached" in errors
    assert process.returncode == 0
    signer.process = None


def test_a_folder_that_others_may_enter_is_refused(server: LiveServer, signer: SignerProcess) -> None:
    signer.socket.parent.chmod(0o755)
    with pytest.raises(CannotStart, match="must be closed to others"):
        create_server(server.runtime.settings)
