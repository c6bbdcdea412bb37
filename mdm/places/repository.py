"""All SQL that moves what is in one school to another. Each table costs the same number of statements, whatever it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from enrollment.joining.ade.models import AdeServer
from enrollment.joining.models import Invitation, Reservation
from enrollment.people.models import Guardian, Pupil, PupilGroup, PupilState, TeacherAssignment
from enrollment.places.models import School, SchoolClass
from enrollment.rollover.models import Rollover, RolloverLine, RolloverState, SchoolSuccession
from enrollment.rosters.models import ColumnMapping, ImportState, RosterImport, RosterImportSchool
from enrollment.tablets.models import Cart, Incident, Tablet
from enrollment.tablets.rules import DECOMMISSIONED
from mdm.accounts.models import AccountRole, ServiceToken
from mdm.accounts.oidc.models import ProviderRole
from mdm.care.lost_mode.models import LossReport, LostCase
from profiles.effective.app_requests.models import AppRequest
from profiles.policy.kinds import PlaceKind, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.schedule.models import Activity, CalendarOverride

#: Tables whose rows go along as they are. What is not here stays with the closed school, as its history.
_MOVED: tuple[Any, ...] = (
    SchoolClass, PupilGroup, Pupil, Guardian, TeacherAssignment, Tablet, Cart, Incident, LostCase, LossReport, Invitation, Reservation,
    AccountRole, ServiceToken, ProviderRole, Activity, AppRequest, AdeServer,
)  # fmt: skip
_LONGEST_LABEL = 100


class SchoolMergeRepository:
    """Counts and moves what is in a school."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def lock_schools(self, school_ids: tuple[UUID, UUID]) -> None:
        """Lock the rows of two schools in one order, so that nobody adds a row that refers to them meanwhile."""
        self.session.execute(select(School.id).where(School.id.in_(school_ids)).order_by(School.id).with_for_update())

    def count_content(self, old: UUID, new: UUID, now: datetime) -> dict[str, int]:
        """Count what would move, and what would need another name, in one statement."""
        is_open_role = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        is_open = and_(Invitation.revoked_at.is_(None), Invitation.expires_at > now, Invitation.uses < Invitation.max_uses)
        columns = {
            "pupils": _count(Pupil, old, Pupil.state == PupilState.ACTIVE),
            "classes": _count(SchoolClass, old),
            "renamed_classes": _count(SchoolClass, old, _has_namesake(SchoolClass, new)),
            "staff": select(func.count(func.distinct(TeacherAssignment.staff_id)))
            .where(TeacherAssignment.school_id == old, TeacherAssignment.ends_on.is_(None))
            .scalar_subquery(),
            "tablets": _count(Tablet, old, Tablet.state.not_in(DECOMMISSIONED)),
            "carts": _count(Cart, old),
            "invitations": _count(Invitation, old, is_open),
            "roles": _count(AccountRole, old, is_open_role),
            "rules": _count(PolicyDocument, old, PolicyDocument.place != PlaceKind.SCHOOL),
        }
        row = self.session.execute(select(*(query.label(name) for name, query in columns.items()))).one()
        return dict(zip(columns, row, strict=True))

    def has_open_rollover(self, school_ids: tuple[UUID, UUID]) -> bool:
        """Return whether a rollover that is not closed moves pupils from or to one of these schools."""
        concerns = or_(RolloverLine.school_id.in_(school_ids), RolloverLine.school_after.in_(school_ids))
        return bool(
            self.session.scalar(
                select(exists().where(RolloverLine.rollover_id == Rollover.id, Rollover.state != RolloverState.CLOSED, concerns))
            )
        )

    def move_content(self, old: School, new: School) -> list[UUID]:
        """Move everything from one school to another. Returns the ids of its tablets. A class whose name the other has gets the code added."""
        self.session.flush()
        for model in (SchoolClass, PupilGroup):
            self._write(
                update(model).where(model.school_id == old.id, _has_namesake(model, new.id)).values(_add_code(model, old.uai))
            )
        tablet_ids = list(self.session.scalars(select(Tablet.id).where(Tablet.school_id == old.id)))
        for model in _MOVED:
            self._write(update(model).where(model.school_id == old.id).values(school_id=new.id))
        self._move_rules(old.id, new.id)
        self._move_rosters(old.id, new.id)
        self._move_successions(old.id, new.id)
        self.session.expire_all()
        return tablet_ids

    def _move_rules(self, old: UUID, new: UUID) -> None:
        """Rules and day exceptions of classes and people go along. Those of the school itself stay: the other school has its own."""
        of_others = (PolicyDocument.school_id == old) & (PolicyDocument.place != PlaceKind.SCHOOL)
        self._write(update(PolicyDocument).where(of_others).values(school_id=new))
        of_classes = (CalendarOverride.school_id == old) & CalendarOverride.class_id.is_not(None)
        self._write(update(CalendarOverride).where(of_classes).values(school_id=new))
        stage = (PolicyVersion.stage_target == old) & (PolicyVersion.state == VersionState.ROLLING)
        self._write(update(PolicyVersion).where(stage).values(stage_target=new))

    def _move_rosters(self, old: UUID, new: UUID) -> None:
        """Columns that the other school has not named go along. No preview of either is confirmed, and no import of the old one undone."""
        other = aliased(ColumnMapping)
        is_named = exists().where(other.school_id == new, other.kind == ColumnMapping.kind)
        self._write(update(ColumnMapping).where(ColumnMapping.school_id == old, ~is_named).values(school_id=new))
        covered = select(RosterImportSchool.import_id).where(RosterImportSchool.school_id.in_((old, new)))
        is_preview = (RosterImport.state == ImportState.PREVIEWED) & RosterImport.id.in_(covered)
        self._write(update(RosterImport).where(is_preview).values(state=ImportState.DISCARDED, plan=None))
        has_log = RosterImport.undo_log.is_not(None) & RosterImport.id.in_(covered)
        self._write(update(RosterImport).where(has_log).values(undo_log=None))

    def _move_successions(self, old: UUID, new: UUID) -> None:
        """Schools that went on as the old one go on as the other; so does the old one itself."""
        of_these = or_(
            SchoolSuccession.old_school_id == old,
            and_(SchoolSuccession.old_school_id == new, SchoolSuccession.new_school_id == old),
        )
        self._write(delete(SchoolSuccession).where(of_these))
        self._write(update(SchoolSuccession).where(SchoolSuccession.new_school_id == old).values(new_school_id=new))

    def _write(self, statement: Any) -> None:
        self.session.execute(statement.execution_options(synchronize_session=False))


def _count(model: Any, school_id: UUID, *conditions: Any) -> ScalarSelect[int]:
    return select(func.count()).select_from(model).where(model.school_id == school_id, *conditions).scalar_subquery()


def _has_namesake(model: Any, new: UUID) -> Any:
    """Return the condition that the other school has a class or group of the same year and name."""
    other = aliased(model)
    equalities = [other.school_id == new, other.school_year == model.school_year, other.label_key == model.label_key]
    return exists().where(*equalities, *([other.kind == model.kind] if model is PupilGroup else []))


def _add_code(model: Any, uai: str) -> dict[str, Any]:
    return {
        "label": func.substr(model.label, 1, _LONGEST_LABEL) + literal(f" ({uai})"),
        "label_key": func.substr(model.label_key, 1, _LONGEST_LABEL) + literal(f" ({uai})"),
    }
