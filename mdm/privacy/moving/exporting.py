"""Writes the archive of a town that moves to another server. The town is stopped first, and its audit chain verified.

Opens units of work of its own: the stop must be seen by everybody before the first row is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, Table

from cartable import __version__, audit
from cartable.audit_moving import read_chain_end
from cartable.backups.service import check_passphrase
from cartable.migrate import get_newest_revision
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from enrollment.safeguards import stop_switch
from mdm.privacy.audit_trail import verify_chains
from mdm.privacy.moving.archive import TableRows, TownHead, check_archive, compute_proof, write_archive
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.repository import TownMoveRepository
from mdm.privacy.moving.values import encode_value

#: Action of the event that says which archive was written: `cartable remove-town` asks for its proof.
EXPORTED = "town.export_for_server"
STOP_REASON = "The town moves to another server."


@dataclass(frozen=True, slots=True)
class WrittenArchive:
    """An archive that was written and read back: `proof` is its SHA-256."""

    head: TownHead
    counts: dict[str, int]
    proof: str


def export_for_server(runtime: Runtime, town: Town, target: Path, passphrase: bytes) -> WrittenArchive:
    """Stop a town and write its archive to `target`, which must not exist, with all keys, encrypted with the passphrase.

    The name appears only when the archive is complete and was read back. Raises `TownMoveRefused`.
    """
    check_passphrase(passphrase)
    if target.exists():
        raise TownMoveRefused(f"{target} exists; an export overwrites nothing.")
    with runtime.open_unit_of_work() as work:
        stop_switch.stop(work, SYSTEM, town.id, STOP_REASON)
    if verify_chains(runtime, audit.list_chain_keys(town.id)).faults:
        raise TownMoveRefused("the audit trail of the town is broken: see `cartable audit verify`.")
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with runtime.open_unit_of_work(_freeze(runtime)) as work:
            head = _build_head(work, town)
            counts = write_archive(unfinished, passphrase, head, _read_tables(work, town))
        check_archive(unfinished, passphrase)
        proof = compute_proof(unfinished)
        with runtime.open_unit_of_work() as work:
            audit.record_event(
                work, SYSTEM, EXPORTED, "town", town.id, town_id=None, proof=proof, exported_at=head.exported_at,
                audit_sequence=head.audit_sequence, audit_link=head.audit_link,
            )  # fmt: skip
        unfinished.rename(target)
    except OSError as error:
        raise TownMoveRefused(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return WrittenArchive(head, counts, proof)


def _freeze(runtime: Runtime) -> Engine:
    """Return an engine whose transactions see one moment of the database: on SQLite every one does."""
    if runtime.engine.dialect.name != "postgresql":
        return runtime.engine
    return runtime.engine.execution_options(isolation_level="REPEATABLE READ")


def _build_head(work: UnitOfWork, town: Town) -> TownHead:
    repository = TownMoveRepository(work.session)
    end = read_chain_end(work, town.id)
    return TownHead(
        version=__version__, revision=get_newest_revision(), town_id=str(town.id), slug=town.slug, name=town.name, host=town.host,
        exported_at=work.now.isoformat(), audit_sequence=end.sequence, audit_link=end.link,
        push_topics=repository.list_push_topics(town.id), number_ranges=repository.read_number_ranges(town.id),
    )  # fmt: skip


def _read_tables(work: UnitOfWork, town: Town) -> Iterator[TableRows]:
    repository = TownMoveRepository(work.session)
    tables = repository.list_travelling_tables(town.id)
    events: Table = audit.AuditEvent.__table__  # type: ignore[assignment]
    for table, statement in [*tables.items(), (events, repository.list_events(town.id))]:
        columns = list(table.columns)
        rows = ([encode_value(value) for value in row] for row in repository.stream_rows(statement, columns))
        yield TableRows(table.name, [column.name for column in columns], rows)
