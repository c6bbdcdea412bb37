"""Verbs of data-protection sheets: write what an app does with data, and decide about it. Never commits.

Facts and verdict are apart: whoever changes the facts takes the verdict back, which was given on others. See docs/domain/apps.md#data-protection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Row

from cartable import audit, locks
from cartable.errors import Forbidden
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.service import get_town_date
from profiles.apps.data_sheets.models import AppVerdict, DataProtectionSheet, LegalBasis
from profiles.apps.data_sheets.repository import DataSheetRepository
from profiles.apps.errors import AppNotFound, ConditionsMissing, DataSheetNotFound
from profiles.apps.models import App


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a sheet says of an app, beside the verdict."""

    publisher: str
    purpose: str
    data_categories: str
    hosting_country: str
    legal_basis: LegalBasis
    retention: str
    uses_gar: bool = False
    agreement_signed_on: date | None = None
    agreement_reference: str | None = None


def get_app(work: UnitOfWork, actor: Actor, app_id: UUID) -> App:
    """Return an app whose sheet the actor may read. Raises `AppNotFound`: a data protection officer sees no other page of the app."""
    app = DataSheetRepository(work.session).find_app(app_id)
    if app is None or not _is_reader(actor, app.town_id):
        raise AppNotFound
    return app


def find_sheet(work: UnitOfWork, actor: Actor, app_id: UUID) -> DataProtectionSheet | None:
    """Return the sheet of an app, None where it has none. Raises `AppNotFound`."""
    return DataSheetRepository(work.session).find_sheet(get_app(work, actor, app_id).id)


def list_sheets(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[App, DataProtectionSheet | None]]:
    """Return every app of a town with its sheet, by name. Raises `Forbidden`."""
    _require_reader(actor, town_id)
    return DataSheetRepository(work.session).list_sheets(town_id)


def get_verdicts(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[UUID, AppVerdict | None]:
    """Return the verdict of every sheet of a town, by app. Raises `Forbidden`."""
    _require_reader(actor, town_id)
    return DataSheetRepository(work.session).get_verdicts(town_id)


def save_sheet(work: UnitOfWork, actor: Actor, app_id: UUID, facts: SheetFacts) -> DataProtectionSheet:
    """Write the facts of a sheet and return it. Where they change, the verdict is open again.

    Raises `AppNotFound`.
    """
    app = get_app(work, actor, app_id)
    locks.lock_town(work, app.town_id)
    sheet = DataSheetRepository(work.session).find_sheet(app.id)
    values = asdict(facts)
    if sheet is not None and all(getattr(sheet, name) == value for name, value in values.items()):
        return sheet
    audit.record_event(
        work, actor, "app.data_sheet", "app", app.id, town_id=app.town_id, publisher=facts.publisher,
        hosting_country=facts.hosting_country, legal_basis=facts.legal_basis.value,
    )  # fmt: skip
    if sheet is None:
        sheet = DataProtectionSheet(app_id=app.id, town_id=app.town_id, changed_at=work.now, **values)
        work.session.add(sheet)
    for name, value in values.items():
        setattr(sheet, name, value)
    # What is refused stays refused until somebody decides anew: a change of the text must not give the app to children.
    if sheet.verdict is not AppVerdict.REFUSED:
        sheet.verdict = sheet.conditions = sheet.reviewed_on = None
    sheet.changed_at = work.now
    work.session.flush()
    return sheet


def decide_verdict(
    work: UnitOfWork, actor: Actor, app_id: UUID, verdict: AppVerdict, conditions: str | None = None
) -> DataProtectionSheet:
    """Record what the data protection officer decides about an app, and return its sheet.

    A refused app is given to nobody any more; tablets that have it keep it until the town takes it back, which stands on its day.

    Raises `AppNotFound`, `Forbidden`, `DataSheetNotFound` without facts, `ConditionsMissing`.
    """
    app = get_app(work, actor, app_id)
    actor.require_permission(Permission.PRIVACY, app.town_id)
    locks.lock_town(work, app.town_id)
    sheet = DataSheetRepository(work.session).find_sheet(app.id)
    if sheet is None:
        raise DataSheetNotFound
    text = (conditions or "").strip() or None
    if verdict is AppVerdict.ALLOWED_WITH_CONDITIONS and text is None:
        raise ConditionsMissing(field="conditions")
    audit.record_event(work, actor, "app.verdict", "app", app.id, town_id=app.town_id, verdict=verdict.value, conditions=text)
    sheet.verdict, sheet.conditions, sheet.reviewed_on = verdict, text, get_town_date(work, app.town_id)
    work.session.flush()
    return sheet


def _require_reader(actor: Actor, town_id: UUID) -> None:
    """Raise `Forbidden` unless the actor authors the town's apps or looks after its data."""
    if not _is_reader(actor, town_id):
        raise Forbidden


def _is_reader(actor: Actor, town_id: UUID) -> bool:
    return actor.has_permission(Permission.AUTHOR, town_id) or actor.has_permission(Permission.PRIVACY, town_id)
