"""What a tablet is asked for in detail, and its last answer: installed apps, certificates, restrictions in force. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import lookup
from mdm.care.command_helpers import send_command
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import CertificateList, InstalledApplicationList, Restrictions
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.results import load_results


class TabletReportKind(StrEnum):
    """What a tablet can be asked for."""

    APPS = "apps"
    CERTIFICATES = "certificates"
    RESTRICTIONS = "restrictions"


@dataclass(frozen=True, slots=True)
class TabletReport:
    """The newest question of a kind: its state, when it ended, and the lines of the answer. No lines: none yet, or no longer kept."""

    kind: TabletReportKind
    state: CommandState | None
    at: datetime | None
    lines: tuple[tuple[str, str], ...]
    problem: str | None


def build_question(kind: TabletReportKind) -> Command:
    """Return the query of a kind."""
    match kind:
        case TabletReportKind.APPS:
            return InstalledApplicationList(managed_apps_only=False, items=("Identifier", "Name", "ShortVersion", "BundleSize"))
        case TabletReportKind.CERTIFICATES:
            return CertificateList()
        case TabletReportKind.RESTRICTIONS:
            return Restrictions()


def request_report(work: UnitOfWork, actor: Actor, tablet_id: UUID, kind: TabletReportKind) -> None:
    """Enqueue a question. Raises `TabletNotEnrolled`, `TabletNotFound`, `Forbidden`."""
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    audit.record_event(work, actor, "tablet.report", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value)
    send_command(work, actor, tablet, build_question(kind))


def load_report(work: UnitOfWork, actor: Actor, tablet_id: UUID, kind: TabletReportKind) -> TabletReport:
    """Return what the tablet answered last. Raises `TabletNotFound`, `Forbidden`."""
    tablet = lookup.get_tablet(work, actor, tablet_id, Permission.CARE)
    latest = DeviceRepository(work.session).get_latest_enrollment(tablet.id)
    last = queue.get_last_command(work, latest[0].id, build_question(kind)) if latest is not None else None
    if last is None:
        return TabletReport(kind, None, None, (), None)
    outcome = next(iter(load_results(work, [last.id])), None)
    result = outcome.result if outcome is not None and outcome.succeeded else None
    problem = outcome.error if outcome is not None and result is None else None
    return TabletReport(kind, last.state, last.finished_at, _list_lines(kind, result), problem)


def _list_lines(kind: TabletReportKind, result: Any) -> tuple[tuple[str, str], ...]:
    """Return name and value of each line, sorted; what cannot be read is left out."""
    match kind, result:
        case TabletReportKind.APPS, list():
            lines = [(str(row.get("Name") or row.get("Identifier")), str(row.get("ShortVersion") or "")) for row in result]
        case TabletReportKind.CERTIFICATES, list():
            lines = [(str(row.get("CommonName")), "identity" if row.get("IsIdentity") else "") for row in result]
        case TabletReportKind.RESTRICTIONS, dict():
            lines = [
                (name, _describe_value(value))
                for group in result.values()
                if isinstance(group, dict)
                for name, value in group.items()
            ]
        case _:
            lines = []
    return tuple(sorted(lines))


def _describe_value(value: Any) -> str:
    """Return the value of a restriction: Apple puts it under `value`, or a list of them under `values`."""
    if not isinstance(value, dict):
        return ""
    values = value.get("values")
    return ", ".join(map(str, values)) if isinstance(values, list) else str(value.get("value", "")).lower()
