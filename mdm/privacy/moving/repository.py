"""All SQL of towns that move: which rows travel, numbers for them, what is there already, and the removal of a town."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Column, CursorResult, Select, Table, delete, exists, func, null, or_, select, text, union_all, update
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.database import Base, get_insert
from cartable.partitions import Month, ensure_months, list_partitioned_tables
from enrollment.identity.models import CertificateAuthority, DeviceCertificate
from enrollment.places.models import School, Town
from enrollment.tablets.models import Tablet
from mdm.accounts.models import Account, AccountRole
from mdm.accounts.oidc.models import ExternalIdentity, IdentityProvider
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.privacy.moving.contents import CONTENT_ADDRESSED, NUMBER_COLUMNS, NUMBERED, STAYING
from mdm.privacy.town_repository import list_town_tables
from mdm.queue.models import CommandBody, QueuedCommand
from profiles.filters.models import FilterBlock, FilterCategory, FilterContent, FormerCategory, StagedCategory

#: Numbers between those in use and those of a town that arrives, for rows that others insert meanwhile.
_GAP = 10_000
_PART = 500


class TownMoveRepository:
    """Reads the rows of a town that leaves, writes those of one that arrives, deletes those of one that has left."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._is_postgres = session.get_bind().dialect.name == "postgresql"

    # --- reading ---

    def list_travelling_tables(self, town_id: UUID) -> dict[Table, Select[Any]]:
        """Return the statement that selects the travelling rows of a town, for each table that has such rows, parents first."""
        statements = {table: each for table, each in list_town_tables(town_id).items() if table.name not in STAYING}
        statements |= _select_shared(town_id)
        return {
            table: statements[table].order_by(None).order_by(*table.primary_key.columns)
            for table in Base.metadata.sorted_tables
            if table in statements
        }

    def list_events(self, town_id: UUID) -> Select[Any]:
        """Return the statement that selects the audit events of a town in the order of its chain."""
        return select(AuditEvent.__table__).where(AuditEvent.chain == str(town_id)).order_by(AuditEvent.sequence)

    def get_last_event(self, action: str, town_id: UUID) -> AuditEvent | None:
        """Return the newest event of an action on a town, if any."""
        of_town = select(AuditEvent).where(
            AuditEvent.action == action, AuditEvent.subject_kind == "town", AuditEvent.subject_id == str(town_id)
        )
        return self.session.scalar(of_town.order_by(AuditEvent.id.desc()).limit(1))

    def stream_rows(self, statement: Select[Any], columns: Sequence[Column[Any]]) -> Iterator[Sequence[Any]]:
        """Yield the rows of a statement with these columns, fetched in batches."""
        yield from self.session.execute(statement.with_only_columns(*columns), execution_options={"yield_per": _PART})

    def read_number_ranges(self, town_id: UUID) -> dict[str, list[int]]:
        """Return the lowest and the highest number that travelling rows have or refer to, for each table that numbers them."""
        statements = self.list_travelling_tables(town_id)
        columns: dict[str, list[Select[Any]]] = {}
        for table, statement in statements.items():
            if table.name in NUMBERED:
                columns.setdefault(NUMBERED[table.name], []).append(statement.with_only_columns(table.c.id.label("number")))
            for (table_name, column), numbering in NUMBER_COLUMNS.items():
                if table_name == table.name:
                    columns.setdefault(numbering, []).append(statement.with_only_columns(table.c[column].label("number")))
        ranges = {}
        for numbering, selections in columns.items():
            numbers = union_all(*(each.order_by(None) for each in selections)).subquery()
            low, high = self.session.execute(select(func.min(numbers.c.number), func.max(numbers.c.number))).one()
            if low is not None:
                ranges[numbering] = [low, high]
        return ranges

    def list_push_topics(self, town_id: UUID) -> list[str]:
        """Return the push topics under which tablets of a town are enrolled."""
        statement = select(DeviceEnrollment.topic).where(_is_enrolled_in(town_id), DeviceEnrollment.topic.is_not(None))
        return sorted(topic for topic in self.session.scalars(statement.distinct()) if topic)

    def count_enrolled(self, town_id: UUID) -> int:
        """Return how many tablets of a town are enrolled."""
        statement = select(func.count()).select_from(DeviceEnrollment)
        return self.session.scalar(statement.where(_is_enrolled_in(town_id), DeviceEnrollment.parent_id.is_(None))) or 0

    def has_issued_since(self, town_id: UUID, since: datetime) -> bool:
        """Return whether a tablet of the town was given a certificate at `since` or later."""
        issued = select(DeviceCertificate.id).join(Tablet, Tablet.id == DeviceCertificate.tablet_id)
        return self.session.scalar(issued.where(Tablet.town_id == town_id, DeviceCertificate.issued_at >= since)) is not None

    # --- arriving ---

    def find_town(self, town_id: UUID, slug: str, host: str | None) -> Town | None:
        """Return a town with this id, short name or host name."""
        is_same = or_(Town.id == town_id, Town.slug == slug, Town.host == host if host is not None else Town.id == town_id)
        return self.session.scalar(select(Town).where(is_same).limit(1))

    def list_present(self, table: str, column: str, values: Collection[Any]) -> list[Any]:
        """Return those of the values that a column has already."""
        of_table = Base.metadata.tables[table].c[column]
        return list(self.session.scalars(select(of_table).where(of_table.in_(values)).order_by(of_table)))

    def find_authority(self, certificate: bytes) -> UUID | None:
        """Return the id of the CA with this certificate, if it is trusted already."""
        return self.session.scalar(select(CertificateAuthority.id).where(CertificateAuthority.certificate == certificate))

    def list_accounts(self, ids: Collection[UUID], logins: Collection[str]) -> dict[UUID, str]:
        """Return the logins of accounts with one of these ids or logins, by id."""
        statement = select(Account.id, Account.login).where(or_(Account.id.in_(ids), Account.login.in_(logins)))
        return {row.id: row.login for row in self.session.execute(statement)}

    def reserve_numbers(self, numbering: str, count: int) -> int:
        """Return the first of `count` numbers of a table that nobody else is given."""
        if self._is_postgres:
            statement = text(
                "SELECT setval(pg_get_serial_sequence(:table, 'id'),"
                " nextval(pg_get_serial_sequence(:table, 'id')) + CAST(:count AS bigint))"
            )
            last: int = self.session.execute(statement, {"table": numbering, "count": count + _GAP}).scalar_one()
            return last - count
        tables = [Base.metadata.tables[name] for name, of_table in NUMBERED.items() if of_table == numbering]
        highest = [self.session.scalar(select(func.max(table.c.id))) or 0 for table in tables]
        return max(highest) + 1

    def insert_rows(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows that have equal keys; of content that is addressed by its hash, those that are missing."""
        if not rows:
            return
        if table in list_partitioned_tables(Base.metadata):
            ensure_months(self.session.connection(), table, {Month.of(row["created_at"]) for row in rows})
        statement = get_insert("postgresql" if self._is_postgres else "sqlite")(table)
        if table.name in CONTENT_ADDRESSED:
            statement = statement.on_conflict_do_nothing()
        for part in _group_by_missing_json(table, rows):
            self.session.execute(statement, part)

    # --- leaving ---

    def list_body_ids(self, town_id: UUID) -> list[int]:
        """Return the ids of the command bodies that a town uses."""
        statement = select(QueuedCommand.body_id).where(QueuedCommand.town_id == town_id).distinct()
        return list(self.session.scalars(statement.order_by(QueuedCommand.body_id)))

    def delete_town(self, town_id: UUID) -> dict[str, int]:
        """Delete every row of a town, children before parents, and the town. Returns the number by table.

        Its audit events must have no town any more. The newest command body stays: its number would be given once more on SQLite.
        """
        body_ids = self.list_body_ids(town_id)
        counts = {}
        for table, statement in reversed(list_town_tables(town_id).items()):
            counts[table.name] = self._delete(table, statement.whereclause)
        newest = select(func.max(CommandBody.id)).scalar_subquery()
        for start in range(0, len(body_ids), _PART):
            is_unused = ~exists().where(QueuedCommand.body_id == CommandBody.id)
            part = CommandBody.id.in_(body_ids[start : start + _PART])
            self.session.execute(delete(CommandBody).where(part, is_unused, CommandBody.id < newest))
        return {name: count for name, count in counts.items() if count}

    def _delete(self, table: Table, condition: Any) -> int:
        for column in table.columns:
            if any(key.column.table is table for key in column.foreign_keys):
                self.session.execute(update(table).where(condition).values({column.name: null()}))
        return cast("CursorResult[Any]", self.session.execute(delete(table).where(condition))).rowcount


def _is_enrolled_in(town_id: UUID) -> Any:
    return (DeviceEnrollment.town_id == town_id) & (DeviceEnrollment.state == EnrollmentState.ENROLLED)


def _select_shared(town_id: UUID) -> dict[Table, Select[Any]]:
    """Return the statements for the rows that towns share: of each, those that this town uses."""
    certificates = next(
        each for table, each in list_town_tables(town_id).items() if table.name == DeviceCertificate.__tablename__
    )
    people = union_all(
        select(AccountRole.account_id).where(AccountRole.town_id == town_id),
        select(ExternalIdentity.account_id)
        .join(IdentityProvider, IdentityProvider.id == ExternalIdentity.provider_id)
        .where(IdentityProvider.town_id == town_id),
    )
    contents = union_all(
        *(
            select(model.content_sha256).where(model.town_id == town_id)
            for model in (FilterCategory, FormerCategory, StagedCategory)
        )
    )
    tables: dict[Any, Any] = {
        CertificateAuthority: CertificateAuthority.id.in_(
            certificates.order_by(None).with_only_columns(DeviceCertificate.__table__.c.ca_id)
        ),
        Account: Account.id.in_(people),
        CommandBody: CommandBody.id.in_(select(QueuedCommand.body_id).where(QueuedCommand.town_id == town_id)),
        FilterContent: FilterContent.sha256.in_(contents),
        FilterBlock: FilterBlock.content_sha256.in_(contents),
    }
    return {model.__table__: select(model.__table__).where(condition) for model, condition in tables.items()}


def _group_by_missing_json(table: Table, rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows in groups without the JSON columns that are empty in them: given as None, SQLite would store the JSON `null`."""
    json_columns = [column.name for column in table.columns if column.type.python_type is dict and column.nullable]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        missing = tuple(name for name in json_columns if row.get(name) is None)
        groups.setdefault(missing, []).append({name: value for name, value in row.items() if name not in missing})
    yield from groups.values()


#: Which columns say that a row is on this server already, by table.
IDENTIFYING = {
    School.__tablename__: "uai",
    Tablet.__tablename__: "serial",
    DeviceEnrollment.__tablename__: "channel_key",
    DeviceCertificate.__tablename__: "fingerprint",
}
