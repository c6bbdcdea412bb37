"""Imports a town from the archive of another server: all of it in one transaction, or nothing. Never commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from cartable import __version__, audit
from cartable.audit import AuditEvent
from cartable.audit_moving import append_events
from cartable.database import Base
from cartable.migrate import get_newest_revision
from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.people.name_index import BATCH_SIZE, index_missing_names
from enrollment.tablets.repository import TabletRepository
from mdm.privacy.moving.archive import TableRows, TownHead, check_archive, compute_proof, open_archive
from mdm.privacy.moving.contents import NUMBER_COLUMNS, NUMBERED
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.repository import IDENTIFYING, TownMoveRepository
from mdm.privacy.moving.rewriting import rewrite_row
from mdm.privacy.moving.values import decode_value
from mdm.push.repository import PushRepository

_BATCH = 500
Row = dict[str, Any]


@dataclass(slots=True)
class ImportedTown:
    """What arrived: the rows by table, and the logins of people who have another account here already and were given no role."""

    head: TownHead
    counts: dict[str, int] = field(default_factory=dict)
    known_logins: list[str] = field(default_factory=list)


def import_town(work: UnitOfWork, source: Path, passphrase: bytes) -> ImportedTown:
    """Import the town of an archive and return what arrived. Raises `TownMoveRefused`; then nothing may be committed.

    The archive is read to its end first, so that a damaged one is refused before anything is written.
    """
    head = check_archive(source, passphrase)
    _require_place(work, head)
    arrival = _Arrival(work, head)
    try:
        with open_archive(source, passphrase) as (_, tables):
            for each in tables:
                arrival.take_table(each)
        while index_missing_names(work) >= BATCH_SIZE:
            pass  # a name without letters has no place in the index, and would be found again and again
    except IntegrityError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise TownMoveRefused(f"something of the town is on this server already ({reason}).") from error
    audit.record_event(
        work, SYSTEM, "town.import", "town", head.id, town_id=head.id, proof=compute_proof(source), exported_at=head.exported_at,
        audit_sequence=head.audit_sequence, audit_link=head.audit_link,
    )  # fmt: skip
    work.enqueue_job(Topic.MODES, head.id, lane=JobLane.BACKGROUND)
    tablets = TabletRepository(work.session).select_by_town(head.id)
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets, lane=JobLane.BACKGROUND)
    return arrival.imported


def _require_place(work: UnitOfWork, head: TownHead) -> None:
    """Raise `TownMoveRefused` unless this server can take the town: the same version and push topic, and no such town."""
    if (head.version, head.revision) != (__version__, get_newest_revision()):
        raise TownMoveRefused(
            f"the archive was written by Cartable {head.version} (tables {head.revision}), and this is {__version__}"
            f" (tables {get_newest_revision()}): bring both servers to the same version and export again."
        )
    present = TownMoveRepository(work.session).find_town(head.id, head.slug, head.host)
    if present is not None:
        raise TownMoveRefused(
            f"the town {present.slug} is on this server already, with the same id, short name or host name as {head.slug}."
        )
    certificate = PushRepository(work.session).get_active_certificate()
    topic = certificate.topic if certificate is not None else None
    if set(head.push_topics) - {topic}:
        raise TownMoveRefused(
            f"the tablets are enrolled under the push topic {', '.join(head.push_topics)}, and this server has"
            f" {topic or 'none'}: it could wake none of them. Install the certificate of that topic first (`cartable push-import`)."
        )


class _Arrival:
    """Takes the tables of an archive one after the other, parents before children, and keeps what later ones must know."""

    def __init__(self, work: UnitOfWork, head: TownHead) -> None:
        self.work = work
        self.repository = TownMoveRepository(work.session)
        self.imported = ImportedTown(head)
        self._shifts = {
            numbering: self.repository.reserve_numbers(numbering, high - low + 1) - low
            for numbering, (low, high) in head.number_ranges.items()
        }
        self._authorities: dict[Any, Any] = {}  # ids of CAs of the archive that are here under another id
        self._left_out_accounts: set[Any] = set()
        self._contents_here: set[str] = set()

    def take_table(self, rows: TableRows) -> None:
        """Insert the rows of one table."""
        table = Base.metadata.tables[rows.table]
        if table is AuditEvent.__table__:
            self.imported.counts[table.name] = append_events(
                self.work, self.imported.head.id, (self._build_event(row) for row in self._decode(table, rows))
            )
            return
        count = 0
        decoded = self._decode(table, rows)
        while batch := list(islice(decoded, _BATCH)):
            accepted = self._choose(table, [self._renumber(table, row) for row in batch])
            self._require_absent(table, accepted)
            for row in accepted:
                rewrite_row(self.work, table.name, row)
            self.repository.insert_rows(table, accepted)
            count += len(accepted)
        self.imported.counts[table.name] = count

    def _decode(self, table: Table, rows: TableRows) -> Iterator[Row]:
        columns = [table.c[name] for name in rows.columns]
        for values in rows.rows:
            yield {column.name: decode_value(column, value) for column, value in zip(columns, values, strict=True)}

    def _build_event(self, row: Row) -> AuditEvent:
        return AuditEvent(**{name: value for name, value in row.items() if name not in {"id", "chain", "sequence", "link"}})

    def _renumber(self, table: Table, row: Row) -> Row:
        """Return the row with numbers of this server: its own, and those it refers to."""
        for column in table.columns:
            numbering = NUMBER_COLUMNS.get((table.name, column.name))
            if column.name == "id":
                numbering = NUMBERED.get(table.name)
            for key in column.foreign_keys:
                numbering = NUMBERED.get(key.column.table.name)
            if numbering is not None and row[column.name] is not None:
                row[column.name] += self._shifts[numbering]
        if "ca_id" in row:
            row["ca_id"] = self._authorities.get(row["ca_id"], row["ca_id"])
        return row

    def _choose(self, table: Table, batch: list[Row]) -> list[Row]:
        """Return the rows of a batch that are inserted: not those that this server has, or that belong to a person it leaves out."""
        match table.name:
            case "certificate_authority":
                return [row for row in batch if not self._recognise_authority(row)]
            case "account":
                return self._choose_accounts(batch)
            case "filter_content":
                self._contents_here |= set(self.repository.list_present(table.name, "sha256", [row["sha256"] for row in batch]))
                return batch
            case "filter_block":
                return [row for row in batch if row["content_sha256"] not in self._contents_here]
            case "role_assignment" | "external_identity":
                return [row for row in batch if row["account_id"] not in self._left_out_accounts]
            case _:
                return batch

    def _recognise_authority(self, row: Row) -> bool:
        known_id = self.repository.find_authority(row["certificate"])
        if known_id is not None:
            self._authorities[row["id"]] = known_id
        return known_id is not None

    def _choose_accounts(self, batch: list[Row]) -> list[Row]:
        """Return the accounts that are new here. A person who came with another town is known by id; a login of another one is refused."""
        known = self.repository.list_accounts([row["id"] for row in batch], [row["login"] for row in batch])
        known_logins = set(known.values())
        refused = [row for row in batch if row["id"] not in known and row["login"] in known_logins]
        self._left_out_accounts |= {row["id"] for row in refused}
        self.imported.known_logins += [row["login"] for row in refused]
        return [row for row in batch if row["id"] not in known and row["login"] not in known_logins]

    def _require_absent(self, table: Table, batch: Iterable[Row]) -> None:
        column = IDENTIFYING.get(table.name)
        if column is None:
            return
        present = self.repository.list_present(table.name, column, [row[column] for row in batch])
        if present:
            shown = ", ".join(str(value) for value in present[:5])
            raise TownMoveRefused(f"{len(present)} rows of {table.name} are on this server already: {column} {shown}.")
