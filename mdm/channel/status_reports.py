"""Status reports of a tablet: stored, merged with the former ones, and compared with the declarations that it was told to apply."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.channel.messages import EMPTY_RESPONSE, ChannelResponse
from mdm.channel.repository import ChannelRepository
from mdm.devices.declaration_rules import check_declarations, find_applied_mode
from mdm.devices.declaration_status import decide_status
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.ddm import ParsedStatusReport
from mdm.protocol.errors import BadMessage
from profiles.render.declarations import build_set_items


def apply_status_report(work: UnitOfWork, enrollment: DeviceEnrollment, body: bytes) -> ChannelResponse:
    """Store a status report and what it proves. Enqueues a reconciliation where the report changes what is to be done.

    A worker may announce other declarations at the same moment. Then the report is compared again, with those.
    """
    repository, devices = ChannelRepository(work.session), DeviceRepository(work.session)
    try:
        report = ddm.parse_status_report(body)
    except BadMessage as error:
        repository.add_note(enrollment.udid, enrollment.fingerprint, "bad_status", {"why": str(error)}, work.now)
        return EMPTY_RESPONSE  # with an error status the tablet would send the same report again
    state = devices.get_declarative_state(enrollment.id) or devices.create_declarative_state(enrollment.id)
    work.session.flush()
    values = _apply_report(repository, state, report, work.now)
    while not devices.update_reported_state(state, values):
        work.session.refresh(state)  # other declarations were announced meanwhile: compare with those
        values = _apply_report(repository, state, report, work.now)
    is_first_report = state.reported_at is None
    if is_first_report or "app" in report.items or _needs_decision(state, values):
        # The first report proves that the tablet supports declarations; a report about apps may change what is missing.
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id)
    work.session.expire(state)
    return EMPTY_RESPONSE


def _needs_decision(state: DeclarativeState, values: dict[str, Any]) -> bool:
    """Return whether the report leaves something to do: a repair, or the removal of what declarations have replaced."""
    if values.get("status", state.status) is DeclarationStatus.FAILED:
        return "status" in values
    return values.get("confirmed_at") is not None and state.declarative_only_since is None


def _apply_report(
    repository: ChannelRepository, state: DeclarativeState, report: ParsedStatusReport, now: datetime
) -> dict[str, Any]:
    """Return the columns that a report changes: an incremental report is merged into what is known, a full one replaces it."""
    items = dict(report.items)
    values: dict[str, Any] = {
        "status_items": items if report.full else _merge_within_limit(state.status_items or {}, items),
        "errors": list(report.errors),
        "reported_at": now,
    }
    if report.declarations is None:
        return values  # it says nothing about declarations; the former report may be older than the announcement
    known = {} if report.full else state.reported_declarations or {}
    reported = {**known, **report.declarations}
    values["reported_declarations"] = reported
    served = state.served
    if served is None:
        return values
    shared = repository.load_declaration_items(served.set_sha256)
    mode = find_applied_mode(shared, served.repairs, reported)
    values["confirmed_mode"] = mode.value if mode is not None else None
    if served != state.announced:
        return values  # it has not synchronised since the announcement: this is the state of the former declarations
    check = check_declarations(build_set_items(shared, served.mode, served.repairs), served.mode, reported)
    return values | decide_status(state, check, now)


def _merge_within_limit(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return the merged status items; those of the update alone when they would be more than one report may have."""
    merged = ddm.merge_status_items(current, update)
    return merged if len(json.dumps(merged)) <= ddm.MAX_STATUS else update
