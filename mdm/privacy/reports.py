"""Sealed reports: numbers and ids, without names, that prove what was removed or exported. Never commits."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.ids import new_id
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.errors import PrivacyReportNotFound
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.repository import PrivacyRepository


def write_report(
    work: UnitOfWork, actor: Actor, town_id: UUID | None, kind: ReportKind, subject_id: UUID | None, content: dict[str, Any]
) -> PrivacyReport:
    """Store a sealed report and record it in the audit trail, whose hash chain would show its removal. Returns it."""
    row = PrivacyReport(
        id=new_id(),
        town_id=town_id,
        kind=kind,
        subject_id=subject_id,
        content=content,
        created_by=actor.account_id,
        created_at=work.now,
    )
    row.seal = compute_seal(work, row)
    work.session.add(row)
    work.session.flush()
    subject = ("pupil", subject_id) if subject_id else ("privacy_report", row.id)
    audit.record_event(
        work, actor, f"privacy.{_ACTION_BY_KIND[kind]}", *subject, town_id=town_id, report_id=str(row.id), seal=row.seal
    )
    return row


_ACTION_BY_KIND = {
    ReportKind.RETENTION: "apply_retention",
    ReportKind.ERASURE: "erase",
    ReportKind.EXPORT: "export",
    ReportKind.BREACH: "report_breach",
}


def is_genuine(work: UnitOfWork, row: PrivacyReport) -> bool:
    """Return whether the report is unchanged since it was written."""
    return row.seal == compute_seal(work, row)


def compute_seal(work: UnitOfWork, row: PrivacyReport) -> str:
    """Return the seal of a report, which only the server can make."""
    sealed_values = [
        str(row.id),
        str(row.town_id),
        row.kind.value,
        str(row.subject_id),
        str(row.created_by),
        row.created_at.isoformat(),
        row.content,
    ]
    return work.keyring.keyed_hash(json.dumps(sealed_values, sort_keys=True, ensure_ascii=False), "privacy-report")


def get_report(work: UnitOfWork, actor: Actor, report_id: UUID) -> PrivacyReport:
    """Return a visible report. Raises `PrivacyReportNotFound`."""
    row = PrivacyRepository(work.session).get_report(actor, report_id)
    if row is None:
        raise PrivacyReportNotFound
    return row


def list_reports(
    work: UnitOfWork, actor: Actor, town_id: UUID, kind: ReportKind | None = None, page: PageRequest = FIRST_PAGE
) -> Page[PrivacyReport]:
    """List the reports of a town, newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).list_reports(actor, town_id, kind, page)
