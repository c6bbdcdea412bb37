"""All SQL of the index of names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, insert, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.people.models import Pupil, PupilNamePrefix, PupilState, StaffMember, StaffNamePrefix
from enrollment.people.repository import split_ids

#: How many people of whom a search may be true are read and compared by name.
MAX_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class IndexedName:
    """A person with the hashes under which the index lists them."""

    person: Pupil | StaffMember
    hashes: set[int]


class NameIndexRepository:
    """Writes the index of names and finds people by it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def replace(self, names: Sequence[IndexedName]) -> None:
        """Replace what the index has of these people. It may be called while the session flushes: it uses the connection alone."""
        pupils = [name for name in names if isinstance(name.person, Pupil)]
        staff = [name for name in names if isinstance(name.person, StaffMember)]
        self._replace_in(PupilNamePrefix, PupilNamePrefix.pupil_id, pupils)
        self._replace_in(StaffNamePrefix, StaffNamePrefix.staff_id, staff)

    def find_pupils(
        self,
        actor: Actor,
        hashes: Sequence[Collection[int]],
        exact_hashes: Collection[int],
        town_ids: Collection[UUID],
        among: Select[Any] | None = None,
    ) -> Sequence[Pupil]:
        """Return pupils visible to the actor who have one hash of each set, those with an exact one first.

        `among`, a statement that selects ids, restricts the search.
        """
        conditions = [Pupil.id.in_(self._select(PupilNamePrefix.pupil_id, each)) for each in hashes]
        if among is not None:
            conditions.append(Pupil.id.in_(among))
        is_exact = case((Pupil.id.in_(self._select(PupilNamePrefix.pupil_id, exact_hashes)), 0), else_=1)
        statement = select(Pupil).where(Pupil.town_id.in_(town_ids), Pupil.state != PupilState.ERASED, *conditions)
        statement = actor.restrict(statement, Pupil).order_by(is_exact, Pupil.id).limit(MAX_CANDIDATES)
        return self.session.scalars(statement).all()

    def find_staff(
        self, hashes: Sequence[Collection[int]], exact_hashes: Collection[int], is_visible: ColumnElement[bool]
    ) -> Sequence[StaffMember]:
        """Return the adults who have one hash of each set, those with an exact one first."""
        conditions = [StaffMember.id.in_(self._select(StaffNamePrefix.staff_id, each)) for each in hashes]
        is_exact = case((StaffMember.id.in_(self._select(StaffNamePrefix.staff_id, exact_hashes)), 0), else_=1)
        statement = select(StaffMember).where(and_(is_visible, *conditions)).order_by(is_exact, StaffMember.id)
        return self.session.scalars(statement.limit(MAX_CANDIDATES)).all()

    def list_pupils_without_index(self, limit: int) -> Sequence[Pupil]:
        is_indexed = exists().where(PupilNamePrefix.pupil_id == Pupil.id)
        statement = select(Pupil).where(Pupil.state != PupilState.ERASED, ~is_indexed).order_by(Pupil.id).limit(limit)
        return self.session.scalars(statement).all()

    def list_staff_without_index(self, limit: int) -> Sequence[StaffMember]:
        is_indexed = exists().where(StaffNamePrefix.staff_id == StaffMember.id)
        return self.session.scalars(select(StaffMember).where(~is_indexed).order_by(StaffMember.id).limit(limit)).all()

    def _replace_in(self, model: Any, owner: Any, names: Sequence[IndexedName]) -> None:
        connection = self.session.connection()
        for ids in split_ids(name.person.id for name in names):
            connection.execute(delete(model.__table__).where(owner.in_(ids)))
        rows = [
            {"town_id": name.person.town_id, owner.key: name.person.id, "prefix_hash": prefix_hash}
            for name in names
            for prefix_hash in sorted(name.hashes)
        ]
        if rows:
            connection.execute(insert(model.__table__), rows)

    @staticmethod
    def _select(owner: Any, hashes: Collection[int]) -> Select[Any]:
        return select(owner).where(owner.class_.prefix_hash.in_(hashes))
