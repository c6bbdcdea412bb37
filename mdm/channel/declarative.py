"""A tablet's declarative questions: tokens, manifest, one declaration, a status report, a profile. Serves what was announced."""

from __future__ import annotations

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.channel.messages import EMPTY, JSON, Reply
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.protocol import ddm
from mdm.protocol.checkin import DeclarativeManagement
from mdm.protocol.errors import BadMessage
from profiles.render.declarations import PROPERTIES, Declaration, properties
from profiles.schedule.modes import Mode

PROFILE = b"application/x-apple-aspen-config"


def answer(work: UnitOfWork, message: DeclarativeManagement, enrollment: DeviceEnrollment) -> Reply:
    """Answer one question. A channel without declarations gets correct empty documents, never 404 for those."""
    repository = ChannelRepository(work.session)
    if message.endpoint == "status":
        return _status(work, repository, enrollment, message.data or b"")
    state = repository.declarative(enrollment.id)
    items = _announced(repository, state)
    if message.endpoint == "tokens":
        at = state.announced_at if state is not None and state.announced_at else enrollment.authenticated_at
        return Reply(200, ddm.tokens(items, at), JSON)
    if message.endpoint == "declaration-items":
        return Reply(200, ddm.manifest(items), JSON)
    path = message.endpoint.split("/", 2)
    if len(path) == 3 and path[0] == "declaration":
        found = ddm.one(items, path[1], path[2])
        if found is not None:
            return Reply(200, found, JSON)
    return Reply(404)


def _announced(repository: ChannelRepository, state: DeclarativeState | None) -> list[dict[str, object]]:
    """The set that the tablet was told of, with the mode beside it."""
    if state is None or state.set_sha256 is None or state.mode is None:
        return []
    return [*repository.declaration_items(state.set_sha256), as_item(properties(Mode(state.mode)))]


def as_item(declaration: Declaration) -> dict[str, object]:
    """A declaration as sets keep it."""
    return {"Kind": declaration.kind.value, **declaration.document()}


def _status(work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment, body: bytes) -> Reply:
    """Keep a report: incremental ones add to what is known, a full one replaces it."""
    try:
        report = ddm.read_report(body)
    except BadMessage as error:
        repository.note(enrollment.udid, "bad_status", {"why": str(error)}, work.now)
        return EMPTY  # kept as a note: the tablet must not repeat what we cannot read
    repository.keep_status(enrollment.id, body, work.now)
    state = repository.declarative(enrollment.id) or repository.start_declarative(enrollment.id)
    items = dict(report.items)
    state.items = items if report.full else ddm.merged(state.items or {}, items)
    if report.declarations is not None:
        state.declarations = dict(report.declarations)
    first = state.reported_at is None
    state.errors, state.reported_at = list(report.errors), work.now
    if first or "app" in items:
        work.enqueue_job(
            Topic.DECIDE, enrollment.tablet_id
        )  # it has proved that it understands declarations, or tells of its apps
    _compare(work, repository, enrollment, state)
    return EMPTY


def _compare(work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment, state: DeclarativeState) -> None:
    """What is active on the tablet against what was announced. A difference goes to the worker, which decides again."""
    if state.set_sha256 is None or state.mode is None or state.declarations is None:
        return
    switch = properties(Mode(state.mode))
    items = [*repository.declaration_items(state.set_sha256), as_item(switch)]
    missing = _missing(items, state.declarations)
    if PROPERTIES not in missing:
        state.seen_mode = state.mode
    if missing or ddm.invalid(state.declarations):
        state.confirmed_at = None
        work.enqueue_job(Topic.DECIDE, enrollment.tablet_id)
        return
    state.repairs = 0
    if state.confirmed_at is None:
        state.confirmed_at = work.now
    if state.alone_since is None:
        work.enqueue_job(Topic.DECIDE, enrollment.tablet_id)


def _missing(items: list[dict[str, object]], declarations: dict[str, list[dict[str, object]]]) -> list[str]:
    """Declarations of the set that the tablet does not have in this version."""
    has = {(str(row.get("identifier")), str(row.get("server-token"))) for rows in declarations.values() for row in rows}
    return [str(item["Identifier"]) for item in items if (str(item["Identifier"]), str(item["ServerToken"])) not in has]
