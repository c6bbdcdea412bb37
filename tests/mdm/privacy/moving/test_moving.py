"""A town moves to a server with another database and another master key: all of its rows or none, and nothing of other towns."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select

from cartable import audit
from cartable.audit_verification import verify_chain, verify_registry
from cartable.database import Base
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.models import CertificateAuthority, DeviceCertificate
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations, find_invitation
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil
from enrollment.people.name_index import compute_query_hashes
from enrollment.people.name_index_repository import NameIndexRepository
from enrollment.people.text import compute_name_hash
from enrollment.places.models import Grade, Town
from enrollment.safeguards import stop_switch
from mdm.accounts.models import Account
from mdm.accounts.passwords import NO_PASSWORD
from mdm.devices.models import DeviceEnrollment
from mdm.privacy.moving.archive import MAGIC
from mdm.privacy.moving.contents import STAYING
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.exporting import WrittenArchive, export_for_server
from mdm.privacy.moving.importing import ImportedTown, import_town
from mdm.privacy.moving.removing import remove_town
from mdm.privacy.town_repository import list_town_tables
from mdm.protocol.commands.queries import ProfileList
from mdm.queue.models import CommandBody, QueuedCommand
from tests.mdm.queue.connect_loop import enqueue_for
from tests.support.rows import fill_tables
from tests.support.second_server import as_second_server
from tests.support.world import TownFactory

PASSPHRASE = b"correct horse battery staple"


def _create_town(runtime: Runtime, name: str = "Ici") -> Town:
    """Create a town with one row in each table, and an enrolled tablet of a pupil."""
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town(name)
        keys = fill_tables(work, town)
        work.session.execute(delete(audit.AuditEvent).where(audit.AuditEvent.id == keys["audit_event"]))  # in no real chain
        work.session.execute(delete(audit.AuditChain).where(audit.AuditChain.chain == keys["audit_chain"]))
        pupil = factory.create_pupil(factory.create_class(factory.create_school(town), "CE2 B"), Grade.CE2)
        tablet = factory.create_tablet(town)
        factory.lend_tablet(tablet, pupil)
        enrollment = factory.enroll_tablet(tablet)
        work.session.query(DeviceCertificate).update({"issued_at": work.now - timedelta(days=1)})
        audit.record_event(work, SYSTEM, "tablet.note", "tablet", tablet.id, town_id=town.id, weight=3)
    enqueue_for(runtime, [enrollment.id], ProfileList())
    return town


def _create_small_town(runtime: Runtime) -> Town:
    """Create a town with a school and a tablet, for what does not depend on the content."""
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town("Ici")
        factory.create_school(town)
        factory.create_tablet(town)
    return town


def _export(runtime: Runtime, town: Town, file: Path) -> WrittenArchive:
    with runtime.open_unit_of_work() as work:
        for enrollment in work.session.scalars(select(DeviceEnrollment)):
            enrollment.topic = None  # the push certificate is another story
    return export_for_server(runtime, town, file, PASSPHRASE)


def _import(runtime: Runtime, file: Path, passphrase: bytes = PASSPHRASE) -> ImportedTown:
    with as_second_server(), runtime.open_unit_of_work() as work:
        return import_town(work, file, passphrase)


def _count_rows(work: UnitOfWork, town_id: UUID) -> dict[str, int]:
    return {
        table.name: work.session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
        for table, statement in list_town_tables(town_id).items()
    }


def _count_all(runtime: Runtime) -> dict[str, int]:
    with runtime.open_unit_of_work() as work:
        return {
            table.name: work.session.scalar(select(func.count()).select_from(table)) or 0 for table in Base.metadata.sorted_tables
        }


def test_every_row_of_a_town_arrives(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town, _ = _create_town(runtime), _create_town(runtime, "Ailleurs")
    file = tmp_path / "ici.town"
    written = _export(runtime, town, file)
    with runtime.open_unit_of_work() as work:
        before = _count_rows(work, town.id)
    imported = _import(second, file)
    with as_second_server(), second.open_unit_of_work() as work:
        after = _count_rows(work, town.id)
        assert work.session.scalars(select(Town.name)).all() == ["Ici"]
    moved = [name for name in before if name not in STAYING]
    assert {name: after[name] for name in moved} == {name: before[name] for name in moved}
    assert {name: imported.counts[name] for name in moved} == {name: written.counts[name] for name in moved}
    assert [name for name in STAYING if before[name] == 0] == [], "each table that stays had a row that could have gone"
    assert {name for name in STAYING if after[name]} == {"audit_event", "pupil_name_prefix", "staff_name_prefix"}


def test_what_was_made_with_the_keys_of_the_old_server_is_made_anew(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town = _create_town(runtime)
    with runtime.open_unit_of_work() as work:
        [invitation] = create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=9))
        code, before = invitation.code or "", work.session.scalars(select(Pupil).where(Pupil.grade == Grade.CE2)).one()
    file = tmp_path / "ici.town"
    _export(runtime, town, file)
    assert not any(name.encode() in file.read_bytes() for name in (before.last_name, code))
    _import(second, file)
    with as_second_server(), second.open_unit_of_work() as work:
        pupil = work.session.get_one(Pupil, before.id)
        assert pupil.last_name == before.last_name, "sealed by the new key"
        assert pupil.name_hash == compute_name_hash(second.keyring, town.id, pupil.last_name, pupil.first_name)
        assert find_invitation(work, code) is not None, "a printed invitation goes on"
        hashes = compute_query_hashes(second.keyring, {town.id}, pupil.last_name)
        assert pupil in NameIndexRepository(work.session).find_pupils(SYSTEM, hashes, set(), {town.id})
        assert set(work.session.scalars(select(Account.password_hash))) == {NO_PASSWORD}
        [authority] = work.session.scalars(select(CertificateAuthority))
        assert (authority.issuing, authority.is_foreign, authority.private_key) == (False, True, None)
        assert work.session.scalars(select(DeviceCertificate.ca_id)).first() == authority.id
        assert stop_switch.is_stopped(work, town.id), "nothing is erased by two servers"


def test_numbers_are_given_anew_and_still_fit(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town = _create_town(runtime)
    with as_second_server():
        _create_town(second, "Déjà là")
        with second.open_unit_of_work() as work:
            other_ids = set(work.session.scalars(select(QueuedCommand.id)))
    _export(runtime, town, tmp_path / "ici.town")
    _import(second, tmp_path / "ici.town")
    with as_second_server():
        with second.open_unit_of_work() as work:
            rows = work.session.execute(
                select(QueuedCommand.id, CommandBody.request_type, DeviceEnrollment.town_id)
                .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
                .join(DeviceEnrollment, DeviceEnrollment.id == QueuedCommand.enrollment_id)
                .where(QueuedCommand.town_id == town.id)
            ).all()
            enrollment_ids = list(work.session.scalars(select(DeviceEnrollment.id).where(DeviceEnrollment.town_id == town.id)))
        assert sorted(row.request_type for row in rows) == ["DeviceLock", "ProfileList"]
        assert not other_ids & {row.id for row in rows}
        enqueue_for(second, enrollment_ids, ProfileList())  # the next number is free


def test_the_audit_trail_goes_along_and_can_be_verified(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town = _create_town(runtime)
    written = _export(runtime, town, tmp_path / "ici.town")
    _import(second, tmp_path / "ici.town")
    with as_second_server(), second.open_unit_of_work() as work:
        assert verify_chain(work, str(town.id)) is None
        assert verify_registry(work) is None
        events = audit.list_chain_events(work, str(town.id), 0)
        assert "tablet.note" in [event.action for event in events]
        assert (events[-1].action, events[-1].details["audit_link"]) == ("town.import", written.head.audit_link)
        assert len(events) == written.head.audit_sequence + 1


def test_a_town_comes_once(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town = _create_small_town(runtime)
    _export(runtime, town, tmp_path / "ici.town")
    _import(second, tmp_path / "ici.town")
    before = _count_all(second)
    with pytest.raises(TownMoveRefused, match="on this server already"):
        _import(second, tmp_path / "ici.town")
    assert _count_all(second) == before


@pytest.mark.one_database
@pytest.mark.parametrize("place", ["head", "middle", "end"])
def test_a_broken_archive_leaves_nothing(runtime: Runtime, second: Runtime, tmp_path: Path, place: str) -> None:
    file = tmp_path / "ici.town"
    _export(runtime, _create_small_town(runtime), file)
    content = bytearray(file.read_bytes())
    index = {"head": len(MAGIC) + 5, "middle": len(content) // 2, "end": len(content) - 1}[place]
    content[index] ^= 1
    file.write_bytes(content)
    before = _count_all(second)
    with pytest.raises(TownMoveRefused):
        _import(second, file)
    assert _count_all(second) == before


@pytest.mark.one_database
def test_another_passphrase_opens_nothing(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    _export(runtime, _create_small_town(runtime), tmp_path / "ici.town")
    with pytest.raises(TownMoveRefused, match="passphrase is wrong"):
        _import(second, tmp_path / "ici.town", b"another passphrase")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"slug": True}, "on this server already"),
        ({"host": "tablets.ici.example"}, "on this server already"),
        ({"school": True}, "rows of school are on this server already: uai"),
        ({"tablet": True}, "rows of tablet are on this server already: serial"),
    ],
)
def test_what_is_on_the_server_already_is_refused(
    runtime: Runtime, second: Runtime, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town("Ici")
        town.host = "tablets.ici.example"
        uai, serial = factory.create_school(town).uai, factory.create_tablet(town).serial
    export_for_server(runtime, town, tmp_path / "ici.town", PASSPHRASE)
    with as_second_server(), second.open_unit_of_work() as work:
        factory = TownFactory(work)
        other = factory.create_town("Autre")
        other.slug, other.host = town.slug if "slug" in change else "autre", change.get("host")
        if "school" in change:
            factory.create_school(other).uai = uai
        if "tablet" in change:
            factory.create_tablet(other, serial=serial)
    before = _count_all(second)
    with pytest.raises(TownMoveRefused, match=sentence):
        _import(second, tmp_path / "ici.town")
    assert _count_all(second) == before


def test_a_removed_town_leaves_a_bare_chain_and_other_towns_as_they_were(runtime: Runtime, tmp_path: Path) -> None:
    town, other = _create_town(runtime), _create_town(runtime, "Ailleurs")
    written = _export(runtime, town, tmp_path / "ici.town")
    with runtime.open_unit_of_work() as work:
        before = _count_rows(work, other.id)
    with pytest.raises(TownMoveRefused, match="1 tablets are enrolled"):
        remove_town(runtime, town, None)
    with pytest.raises(TownMoveRefused, match="enrolled"):
        remove_town(runtime, town, "0" * 64)
    remove_town(runtime, town, written.proof)
    with runtime.open_unit_of_work() as work:
        assert {name for name, count in _count_rows(work, town.id).items() if count} == set()
        assert _count_rows(work, other.id) == before
        assert verify_chain(work, str(town.id)) is None
        assert verify_registry(work) is None
        assert {event.action for event in audit.list_chain_events(work, str(town.id), 0)} == {audit.PURGED}
        actions = list(work.session.scalars(select(audit.AuditEvent.action).where(audit.AuditEvent.subject_id == str(town.id))))
        assert "town.remove" in actions, "the server's own chain knows it"


def test_a_tablet_that_renewed_since_the_export_holds_the_removal(runtime: Runtime, tmp_path: Path) -> None:
    town = _create_town(runtime)
    written = _export(runtime, town, tmp_path / "ici.town")
    with runtime.open_unit_of_work() as work:
        work.session.query(DeviceCertificate).update({"issued_at": work.now})
    with pytest.raises(TownMoveRefused, match="has enrolled or renewed"):
        remove_town(runtime, town, written.proof)


def test_a_town_comes_back_to_a_server_it_had_left(runtime: Runtime, second: Runtime, tmp_path: Path) -> None:
    town = _create_town(runtime)
    written = _export(runtime, town, tmp_path / "there.town")
    _import(second, tmp_path / "there.town")
    remove_town(runtime, town, written.proof)
    with as_second_server():
        export_for_server(second, town, tmp_path / "back.town", PASSPHRASE)
    with runtime.open_unit_of_work() as work:
        import_town(work, tmp_path / "back.town", PASSPHRASE)
    with runtime.open_unit_of_work() as work:
        assert verify_chain(work, str(town.id)) is None
        assert work.session.scalars(select(Town.id)).all() == [town.id]
