"""Sealed reports: numbers and ids that prove what was removed or handed out. No names. Never commits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.ids import new_id
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.errors import ReportUnknown
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.repository import PrivacyRepository


def write(
    work: UnitOfWork, actor: Actor, town_id: UUID | None, kind: ReportKind, subject_id: UUID | None, content: dict[str, Any]
) -> PrivacyReport:
    """Seal a report and enter it into the audit trail, by whose chain its absence would show."""
    row = PrivacyReport(
        id=new_id(),
        town_id=town_id,
        kind=kind,
        subject_id=subject_id,
        content=content,
        made_by=actor.account_id,
        made_at=work.now,
    )
    row.seal = _seal(work, row)
    work.session.add(row)
    work.session.flush()
    about = ("pupil", subject_id) if subject_id else ("privacy_report", row.id)
    audit.record_event(work, actor, f"privacy.{_ACTS[kind]}", *about, town_id=town_id, report_id=str(row.id), seal=row.seal)
    return row


_ACTS = {ReportKind.RETENTION: "retention", ReportKind.ERASURE: "erase", ReportKind.EXPORT: "export", ReportKind.BREACH: "breach"}


def is_genuine(work: UnitOfWork, row: PrivacyReport) -> bool:
    """Whether the report is as it was written."""
    return row.seal == _seal(work, row)


def _seal(work: UnitOfWork, row: PrivacyReport) -> str:
    told = [
        str(row.id),
        str(row.town_id),
        row.kind.value,
        str(row.subject_id),
        str(row.made_by),
        row.made_at.isoformat(),
        row.content,
    ]
    return work.keyring.keyed_hash(json.dumps(told, sort_keys=True, ensure_ascii=False), "privacy-report")


def get(work: UnitOfWork, actor: Actor, report_id: UUID) -> PrivacyReport:
    """One report. Raises `ReportUnknown`."""
    row = PrivacyRepository(work.session).report(actor, report_id)
    if row is None:
        raise ReportUnknown
    return row


def listed(
    work: UnitOfWork, actor: Actor, town_id: UUID, kind: ReportKind | None = None, limit: int = 50
) -> Sequence[PrivacyReport]:
    """The reports of a town, newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).reports(actor, town_id, kind, limit)
