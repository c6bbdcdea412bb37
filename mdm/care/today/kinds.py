"""The kinds of things that wait, the permission by which each concerns a person, and which of them need a decision. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cartable.scope import Permission


class WaitingKind(StrEnum):
    """What can wait. The order is that of the page: what needs a decision first."""

    ALARMS = "alarms"
    LOSS_REPORTS = "loss_reports"
    LOST = "lost"
    RELEASES = "releases"
    BULK_ERASES = "bulk_erases"
    BULK_COMMANDS = "bulk_commands"
    EXTENSIONS = "extensions"
    POSITIONS = "positions"
    APPROVALS = "approvals"
    IMPORTS = "imports"
    STOPPED_ROLLOUTS = "stopped_rollouts"
    ROLLOUTS = "rollouts"
    FILTER_LISTS = "filter_lists"
    APP_REQUESTS = "app_requests"
    REFUSED_APPS = "refused_apps"
    HANDOVERS = "handovers"
    AGREEMENTS = "agreements"


#: By which permission each concerns a person.
PERMISSIONS: dict[WaitingKind, Permission] = {
    WaitingKind.ALARMS: Permission.GOVERN,
    WaitingKind.LOSS_REPORTS: Permission.CARE,
    WaitingKind.LOST: Permission.CARE,
    WaitingKind.RELEASES: Permission.GOVERN,
    WaitingKind.BULK_ERASES: Permission.DESTROY,
    WaitingKind.BULK_COMMANDS: Permission.CARE,
    WaitingKind.EXTENSIONS: Permission.DESTROY,
    WaitingKind.POSITIONS: Permission.GOVERN,
    WaitingKind.APPROVALS: Permission.GOVERN,
    WaitingKind.IMPORTS: Permission.ROSTER,
    WaitingKind.STOPPED_ROLLOUTS: Permission.AUTHOR,
    WaitingKind.ROLLOUTS: Permission.AUTHOR,
    WaitingKind.FILTER_LISTS: Permission.AUTHOR,
    WaitingKind.APP_REQUESTS: Permission.LEAD,
    WaitingKind.REFUSED_APPS: Permission.AUTHOR,
    WaitingKind.HANDOVERS: Permission.HANDLE,
    WaitingKind.AGREEMENTS: Permission.HANDLE,
}
#: What goes on by itself, or is a day's work: it has a card and is not counted in the bar.
UNCOUNTED = frozenset({WaitingKind.ROLLOUTS, WaitingKind.HANDOVERS, WaitingKind.AGREEMENTS})


class ExpiryKind(StrEnum):
    """What a person must renew before it ends."""

    PUSH_CERTIFICATE = "push_certificate"
    ASSIGNMENT = "assignment"
    LICENCES = "licences"
    DEVICE_AUTHORITY = "device_authority"
    TLS_CERTIFICATE = "tls_certificate"
    SCHOOL_HOLIDAYS = "school_holidays"


@dataclass(frozen=True, slots=True)
class TodayScope:
    """The place that is looked at: a town, one of its schools, one class of it."""

    town_id: UUID
    school_id: UUID | None = None
    class_id: UUID | None = None
