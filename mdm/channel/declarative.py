"""Declarative requests of a tablet: tokens, manifest, a declaration, a status report. Serves the set published to it.

See docs/domain/declarations.md#transport.
"""

from __future__ import annotations

from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.channel.messages import EMPTY_RESPONSE, JSON, ChannelResponse
from mdm.channel.repository import ChannelRepository
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.checkin import DeclarativeRequest
from mdm.protocol.errors import BadMessage
from profiles.render.declarations import PROPERTIES_IDENTIFIER, Declaration, build_mode_properties
from profiles.schedule.modes import Mode

PROFILE_MEDIA_TYPE = b"application/x-apple-aspen-config"


def handle_declarative_request(work: UnitOfWork, message: DeclarativeRequest, enrollment: DeviceEnrollment) -> ChannelResponse:
    """Return the response to one declarative request. Without a published set, tokens and manifest are empty but valid."""
    repository = ChannelRepository(work.session)
    if message.endpoint == "status":
        return _save_status_report(work, repository, enrollment, message.data or b"")
    state = DeviceRepository(work.session).get_declarative_state(enrollment.id)
    items = _load_published_items(repository, state)
    if message.endpoint == "tokens":
        published_at = state.published_at if state is not None and state.published_at else enrollment.authenticated_at
        return ChannelResponse(200, ddm.build_tokens(items, published_at), JSON)
    if message.endpoint == "declaration-items":
        return ChannelResponse(200, ddm.build_manifest(items), JSON)
    path = message.endpoint.split("/", 2)
    if len(path) == 3 and path[0] == "declaration":
        declaration = ddm.render_declaration(items, path[1], path[2])
        if declaration is not None:
            return ChannelResponse(200, declaration, JSON)
    return ChannelResponse(404)


def _load_published_items(repository: ChannelRepository, state: DeclarativeState | None) -> list[dict[str, object]]:
    """Return the declarations of the set published to the tablet, and the property declaration of its mode."""
    if state is None or state.set_sha256 is None or state.mode is None:
        return []
    return [*repository.load_declaration_items(state.set_sha256), _build_set_item(build_mode_properties(Mode(state.mode)))]


def _build_set_item(declaration: Declaration) -> dict[str, object]:
    """Return a declaration in the form that sets store, with its kind."""
    return {"Kind": declaration.kind.value, **declaration.to_document()}


def _save_status_report(
    work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment, body: bytes
) -> ChannelResponse:
    """Store a status report: an incremental one is merged into the known status items, a full one replaces them."""
    devices = DeviceRepository(work.session)
    devices.save_status_report(enrollment.id, body[: ddm.MAX_STATUS], work.now)
    try:
        report = ddm.parse_status_report(body)
    except BadMessage as error:
        repository.add_note(enrollment.udid, "bad_status", {"why": str(error)}, work.now)
        return EMPTY_RESPONSE  # with an error status the tablet would send the same report again
    state = devices.get_declarative_state(enrollment.id) or devices.create_declarative_state(enrollment.id)
    items = dict(report.items)
    state.status_items = items if report.full else ddm.merge_status_items(state.status_items or {}, items)
    if report.declarations is not None:
        state.reported_declarations = dict(report.declarations)
    is_first_report = state.reported_at is None
    state.errors, state.reported_at = list(report.errors), work.now
    if is_first_report or "app" in items:
        # The first report proves that the tablet supports declarations; a report about apps may change what is missing.
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id)
    _compare_with_published(work, repository, enrollment, state)
    return EMPTY_RESPONSE


def _compare_with_published(
    work: UnitOfWork, repository: ChannelRepository, enrollment: DeviceEnrollment, state: DeclarativeState
) -> None:
    """Compare the reported declarations with the published set, and record a confirmation or enqueue a reconciliation."""
    if state.set_sha256 is None or state.mode is None or state.reported_declarations is None:
        return
    mode_declaration = build_mode_properties(Mode(state.mode))
    items = [*repository.load_declaration_items(state.set_sha256), _build_set_item(mode_declaration)]
    missing = _find_missing(items, state.reported_declarations)
    if PROPERTIES_IDENTIFIER not in missing:
        state.confirmed_mode = state.mode
    if missing or ddm.list_invalid_declarations(state.reported_declarations):
        state.confirmed_at = None
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id)
        return
    state.repair_attempts = 0
    if state.confirmed_at is None:
        state.confirmed_at = work.now
    if state.declarative_only_since is None:
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id)


def _find_missing(items: list[dict[str, object]], declarations: dict[str, list[dict[str, object]]]) -> list[str]:
    """Return the identifiers of published declarations that the tablet does not report in this version."""
    reported = {(str(row.get("identifier")), str(row.get("server-token"))) for rows in declarations.values() for row in rows}
    return [str(item["Identifier"]) for item in items if (str(item["Identifier"]), str(item["ServerToken"])) not in reported]
