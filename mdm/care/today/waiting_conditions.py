"""Which rows of which table are of each kind that waits, as SQL conditions. `repository` counts them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased

from cartable.alarms import Alarm
from enrollment.rosters.models import ImportState, RosterImport
from enrollment.safeguards.models import BudgetExtension, StopSwitch
from enrollment.tablets.models import ApprovalRequest, Tablet, TabletState
from mdm.care.commands.models import BulkCommand
from mdm.care.erasing.models import BulkErase
from mdm.care.lost_mode.models import LossReport, LossReportState, LostCase, PositionRequest
from mdm.care.overview_repository import lacks_agreement
from mdm.care.today.kinds import WaitingKind
from mdm.reconcile.models import AppState, TabletApp
from profiles.apps.data_sheets.models import AppVerdict, DataProtectionSheet
from profiles.effective.app_requests.models import AppRequest, AppRequestState
from profiles.filters.models import ListRelease, ReleaseStatus
from profiles.policy.kinds import VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion

Conditions = list[ColumnElement[bool]]


def build_waiting_conditions(account_id: UUID | None, now: datetime) -> dict[WaitingKind, tuple[Any, Conditions]]:
    """Return for each kind its table and the conditions of the rows that wait. What `account_id` has asked for waits for others."""

    def is_of_others(requested_by: Any) -> ColumnElement[bool]:
        return or_(requested_by.is_(None), requested_by != account_id)

    newer = aliased(PolicyVersion)
    is_newest = ~exists().where(newer.document_id == PolicyVersion.document_id, newer.number > PolicyVersion.number)
    has_version = exists().where(PolicyVersion.document_id == PolicyDocument.id)
    return {
        WaitingKind.ALARMS: (Alarm, [Alarm.acknowledged_at.is_(None)]),
        WaitingKind.LOSS_REPORTS: (LossReport, [LossReport.state == LossReportState.WAITING]),
        WaitingKind.LOST: (
            LostCase,
            [LostCase.lifted_at.is_(None), or_(LostCase.confirmed_at.is_(None), LostCase.lift_requested_at.is_not(None))],
        ),
        WaitingKind.RELEASES: (
            StopSwitch,
            [StopSwitch.release_requested_at.is_not(None), is_of_others(StopSwitch.release_requested_by)],
        ),
        WaitingKind.BULK_ERASES: (
            BulkErase,
            [BulkErase.approved_at.is_(None), BulkErase.cancelled_at.is_(None), is_of_others(BulkErase.requested_by)],
        ),
        WaitingKind.BULK_COMMANDS: (
            BulkCommand,
            [BulkCommand.sent_at.is_(None), BulkCommand.cancelled_at.is_(None), is_of_others(BulkCommand.requested_by)],
        ),
        WaitingKind.EXTENSIONS: (
            BudgetExtension,
            [
                BudgetExtension.approved_at.is_(None),
                BudgetExtension.cancelled_at.is_(None),
                is_of_others(BudgetExtension.requested_by),
            ],
        ),
        WaitingKind.POSITIONS: (
            PositionRequest,
            [PositionRequest.approved_at.is_(None), PositionRequest.expires_at > now, is_of_others(PositionRequest.requested_by)],
        ),
        WaitingKind.APPROVALS: (
            ApprovalRequest,
            [ApprovalRequest.approved_at.is_(None), is_of_others(ApprovalRequest.requested_by)],
        ),
        WaitingKind.IMPORTS: (RosterImport, [RosterImport.state == ImportState.PREVIEWED, RosterImport.plan.is_not(None)]),
        WaitingKind.STOPPED_ROLLOUTS: (
            PolicyDocument,
            [has_version.where(PolicyVersion.state == VersionState.STOPPED, is_newest)],
        ),
        WaitingKind.ROLLOUTS: (PolicyDocument, [has_version.where(PolicyVersion.state == VersionState.ROLLING)]),
        WaitingKind.FILTER_LISTS: (ListRelease, [ListRelease.status == ReleaseStatus.WAITING]),
        WaitingKind.APP_REQUESTS: (
            AppRequest,
            [
                or_(
                    AppRequest.state == AppRequestState.ASKED,
                    and_(AppRequest.state == AppRequestState.APPROVED, AppRequest.until < now.date()),
                )
            ],
        ),
        WaitingKind.REFUSED_APPS: (
            DataProtectionSheet,
            [
                DataProtectionSheet.verdict == AppVerdict.REFUSED,
                exists().where(TabletApp.app_id == DataProtectionSheet.app_id, TabletApp.state != AppState.REMOVING),
            ],
        ),
        WaitingKind.HANDOVERS: (Tablet, [Tablet.state == TabletState.ASSIGNED]),
        WaitingKind.AGREEMENTS: (Tablet, [lacks_agreement()]),
    }
