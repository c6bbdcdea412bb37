"""Status reports of tablets: stored, merged with the former ones, and compared with the declarations that they were told to apply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.service import TabletDetails
from mdm.channel.declarative_statements import DeclarationSnapshot, DeclarativeSender, DeclarativeStatements, RequestKey
from mdm.channel.repository import ChannelRepository
from mdm.devices.declaration_rules import check_declarations, find_named_mode
from mdm.devices.declaration_status import decide_status
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeclarationStatus
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.ddm import ParsedStatusReport
from mdm.protocol.errors import BadMessage
from profiles.render.declarations import APP_PREFIX


@dataclass(frozen=True, slots=True)
class SentReport:
    """A status report as received."""

    sender: DeclarativeSender
    channel_key: str
    body: bytes


def apply_status_reports(work: UnitOfWork, manifests: ManifestCache, reports: Sequence[SentReport]) -> None:
    """Store status reports and what they prove. Enqueues a reconciliation where a report changes what is to be done.

    A worker may announce other declarations at the same moment. Then the report is compared again, with those.
    """
    statements = DeclarativeStatements(work.session)
    pending = _parse_reports(work, reports)
    if _create_missing_states(work, pending):
        pending = _reload_senders(work, statements, pending)
    to_reconcile: list[UUID] = []
    systems: dict[UUID, TabletDetails] = {}
    while pending:
        values = {sent.sender.enrollment_id: _apply_report(manifests, sent.sender, report, work.now) for sent, report in pending}
        updated = statements.save_reported([(sent.sender, values[sent.sender.enrollment_id]) for sent, _ in pending])
        to_reconcile += [
            sent.sender.tablet_id
            for sent, report in pending
            if sent.sender.enrollment_id in updated and _needs_decision(sent.sender, report, values[sent.sender.enrollment_id])
        ]
        systems |= {
            sent.sender.tablet_id: system
            for sent, report in pending
            if sent.sender.enrollment_id in updated and (system := _find_new_system(sent.sender, report)) is not None
        }
        pending = [(sent, report) for sent, report in pending if sent.sender.enrollment_id not in updated]
        if pending:
            pending = _reload_senders(work, statements, pending)
            snapshots = [sent.sender.declarations for sent, _ in pending if sent.sender.declarations is not None]
            manifests.load_sets(work.session, [manifest for each in snapshots for manifest in (each.announced, each.served)])
    if systems:
        tablets.update_systems(work, systems)
    if to_reconcile:
        work.enqueue_job(Topic.RECONCILE, *to_reconcile)


_Pending = list[tuple[SentReport, ParsedStatusReport]]


def _parse_reports(work: UnitOfWork, reports: Sequence[SentReport]) -> _Pending:
    """Return the reports that can be read; the others are noted for support staff."""
    pending: _Pending = []
    for sent in reports:
        try:
            pending.append((sent, ddm.parse_status_report(sent.body)))
        except BadMessage as error:
            sender = sent.sender
            ChannelRepository(work.session).add_note(sender.udid, sender.fingerprint, "bad_status", {"why": str(error)}, work.now)
    return pending


def _create_missing_states(work: UnitOfWork, pending: _Pending) -> bool:
    """Add the rows of tablets that report without having been asked. Returns whether there were any."""
    missing = [sent.sender for sent, _ in pending if sent.sender.declarations is None]
    for sender in missing:
        DeviceRepository(work.session).create_declarative_state(sender.enrollment_id, sender.town_id)
    work.session.flush()
    return bool(missing)


def _reload_senders(work: UnitOfWork, statements: DeclarativeStatements, pending: _Pending) -> _Pending:
    """Return the reports with their senders as they are now, without those whose enrollment has ended meanwhile."""
    keys = [RequestKey(sent.channel_key, sent.sender.fingerprint, is_report=True) for sent, _ in pending]
    senders = statements.load_senders(keys, work.now)
    return [
        (replace(sent, sender=senders[sent.channel_key]), report)
        for sent, report in pending
        if sent.channel_key in senders
        and senders[sent.channel_key].generation == sent.sender.generation
        and senders[sent.channel_key].declarations is not None
    ]


def _needs_decision(sender: DeclarativeSender, report: ParsedStatusReport, values: Mapping[str, Any]) -> bool:
    """Return whether the report leaves something to do.

    The first one proves that the tablet supports declarations; one about apps may change what is missing. Otherwise a repair, or
    the removal of what declarations have replaced.
    """
    state = sender.declarations
    assert state is not None
    if state.reported_at is None or "app" in report.items:
        return True
    if values.get("status", state.current.status) is DeclarationStatus.FAILED:
        return "status" in values
    if _reports_other_apps(state.reported_declarations, report.declarations or {}):
        return True
    return values.get("confirmed_at") is not None and state.declarative_only_since is None


def _reports_other_apps(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether a report has something new on the configurations of apps: they were applied, or could not be."""
    if "configurations" not in after:
        return False
    rows = [
        [row for row in each.get("configurations", ()) if row["identifier"].startswith(APP_PREFIX)] for each in (before, after)
    ]
    return rows[0] != rows[1]


def _find_new_system(sender: DeclarativeSender, report: ParsedStatusReport) -> TabletDetails | None:
    """Return the system that a report names, where the tablet had not reported the same before."""
    assert sender.declarations is not None
    before, after = _read_system(sender.declarations.status_items), _read_system(report.items)
    return after if after.os_version is not None and after.os_version != before.os_version else None


def _read_system(items: Mapping[str, Any]) -> TabletDetails:
    """Return the system in status items. A value of an unexpected type counts as absent."""
    system: Any = items
    for name in ("device", "operating-system"):
        system = system.get(name) if isinstance(system, Mapping) else None
    version, build = (system.get(name) if isinstance(system, Mapping) else None for name in ("version", "build-version"))
    return TabletDetails(
        os_version=version[:24] if isinstance(version, str) and version else None,
        build_version=build[:24] if isinstance(build, str) and build else None,
    )


def _apply_report(
    manifests: ManifestCache, sender: DeclarativeSender, report: ParsedStatusReport, now: datetime
) -> dict[str, Any]:
    """Return the columns that a report changes: an incremental report is merged into what is known, a full one replaces it."""
    state = sender.declarations
    assert state is not None
    items = dict(report.items)
    values: dict[str, Any] = {
        "status_items": items if report.full else _merge_within_limit(state.status_items, items),
        "errors": list(report.errors),
        "reported_at": now,
    }
    if report.declarations is None:
        return values  # it says nothing about declarations; the former report may be older than the announcement
    reported = {**({} if report.full else state.reported_declarations), **report.declarations}
    return values | {"reported_declarations": reported} | _compare_with_served(manifests, state, reported, now)


def _compare_with_served(
    manifests: ManifestCache, state: DeclarationSnapshot, reported: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the columns that follow from comparing what is reported with the manifest that the tablet fetched last."""
    served = state.served
    if served is None:
        return {}
    named = find_named_mode(served.repairs, reported)
    is_applied = (
        named is not None and check_declarations(manifests.get_contents(replace(served, mode=named)), reported).is_confirmed
    )
    values: dict[str, Any] = {"confirmed_mode": named.value if named is not None and is_applied else None}
    if served != state.announced:
        return values  # it has not synchronised since the announcement: this is the state of the former declarations
    return values | decide_status(state.current, check_declarations(manifests.get_contents(served), reported), now)


def _merge_within_limit(current: Mapping[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return the merged status items; those of the update alone when they would be more than one report may have."""
    merged = ddm.merge_status_items(current, update)
    return merged if len(json.dumps(merged)) <= ddm.MAX_STATUS else update
