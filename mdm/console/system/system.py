"""The page of the server: whether tablets are woken, which workers live, what waits, and which devices were refused."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.alarms import list_server_alarms
from cartable.errors import Forbidden
from cartable.i18n import Language, Message
from cartable.outbox import JobLane
from cartable.scope import Permission
from mdm.api.deps import WorkDep
from mdm.care.server_state import ServerState, load_server_state
from mdm.channel.repository import ChannelRepository, NotedDevice
from mdm.console.care.safeguards import describe_alarm
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.system.labels import OTHER_NOTE, REJECTIONS, RESOLVER_STATUSES, STOP_REASONS
from mdm.console.times import format_instant
from mdm.resolver.service import ResolverStatus

LANES: dict[JobLane, Message] = {
    JobLane.URGENT: Message("urgent", context="lane"),
    JobLane.NORMAL: Message("normal", context="lane"),
    JobLane.BACKGROUND: Message("in the background", context="lane"),
}
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/system")
def show_system(request: Request, work: WorkDep) -> Response:
    """Show the state of the server, to whoever governs a town or operates the server."""
    actor, _ = require_sign_in(request, work)
    if not (actor.operates() or actor.list_permitted_towns(Permission.GOVERN)):
        raise Forbidden(permission=Permission.GOVERN.value)
    state, language = load_server_state(work), get_language(request)
    reason = state.sender.stop_reason
    return render_page(
        request,
        "system/system.html",
        operates=actor.operates(),
        alarms=[describe_alarm(row, language, actor) for row in list_server_alarms(work, actor).items] if actor.operates() else [],
        state=state,
        stop_reason=STOP_REASONS[reason].translate(language) if reason is not None else "",
        stopped_at=format_instant(state.sender.stopped_at),
        test_at=format_instant(state.sender.test_at),
        last_delivered=format_instant(state.sender.last_delivered_at),
        workers=[
            {"id": row.id, "kinds": ", ".join(row.kinds), "seen": format_instant(row.heartbeat_at), "alive": row.is_alive(work.now),
             "stuck": ", ".join(row.stuck)}
            for row in state.workers
        ],
        waiting=_describe_lag(state, language),
        resolver=RESOLVER_STATUSES[state.resolver.status].translate(language),
        resolver_is_away=state.resolver.status is ResolverStatus.AWAY,
        resolvers=[
            {"id": row.id, "answered": format_instant(row.answered_at), "filters": row.address_count, "problem": row.problem or ""}
            for row in state.resolver.processes
        ],
        disk_free=state.disk_free // 2**30,
        disk_total=state.disk_total // 2**30,
        devices=[_describe_device(row, language) for row in ChannelRepository(work.session).list_noted_devices(actor)],
    )  # fmt: skip


def _describe_lag(state: ServerState, language: Language) -> list[dict[str, Any]]:
    return [
        {
            "topic": lag.topic.value,
            "lane": LANES[lag.lane].translate(language),
            "count": lag.waiting,
            "since": format_instant(lag.oldest_due),
        }
        for lag in state.lag
    ]


def _describe_device(row: NotedDevice, language: Language) -> dict[str, Any]:
    return {
        "tablet_id": row.tablet_id,
        "tag": row.tag,
        "udid": row.udid,
        "reason": REJECTIONS.get(row.kind, OTHER_NOTE).translate(language),
        "kind": row.kind,
        "count": row.count,
        "last": format_instant(row.last_at),
    }
