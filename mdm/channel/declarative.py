"""Declarative requests of a tablet: tokens, manifest, one declaration. Status reports are processed in `status_reports.py`.

See docs/domain/declarations.md#transport.
"""

from __future__ import annotations

from typing import Any

from cartable.unit_of_work import UnitOfWork
from mdm.channel.messages import JSON, ChannelResponse
from mdm.channel.repository import ChannelRepository
from mdm.channel.status_reports import apply_status_report
from mdm.devices.models import DeclarativeState, DeviceEnrollment, Manifest
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.checkin import DeclarativeRequest
from profiles.render.declarations import build_set_items

PROFILE_MEDIA_TYPE = b"application/x-apple-aspen-config"


def handle_declarative_request(work: UnitOfWork, message: DeclarativeRequest, enrollment: DeviceEnrollment) -> ChannelResponse:
    """Return the response to one declarative request. Without an announced set, tokens and manifest are empty but valid."""
    repository = ChannelRepository(work.session)
    if message.endpoint == "status":
        return apply_status_report(work, enrollment, message.data or b"")
    state = DeviceRepository(work.session).get_declarative_state(enrollment.id)
    if message.endpoint == "tokens":
        published_at = state.published_at if state is not None and state.published_at else enrollment.authenticated_at
        return ChannelResponse(
            200, ddm.build_tokens(_load_items(repository, state.announced if state is not None else None), published_at), JSON
        )
    if message.endpoint == "declaration-items":
        return ChannelResponse(200, _serve_manifest(work, repository, state), JSON)
    path = message.endpoint.split("/", 2)
    if len(path) == 3 and path[0] == "declaration":
        items = _load_items(repository, _get_fetched_manifest(state))
        declaration = ddm.render_declaration(items, path[1], path[2])
        if declaration is not None:
            return ChannelResponse(200, declaration, JSON)
    return ChannelResponse(404)


def _serve_manifest(work: UnitOfWork, repository: ChannelRepository, state: DeclarativeState | None) -> bytes:
    """Return the announced manifest, and keep it: what it names is served until the tablet fetches the next one."""
    if state is not None:
        state.served_set_sha256, state.served_mode, state.served_repairs = state.set_sha256, state.mode, state.repairs
        state.served_at = work.now
    return ddm.build_manifest(_load_items(repository, state.announced if state is not None else None))


def _get_fetched_manifest(state: DeclarativeState | None) -> Manifest | None:
    """Return the manifest that the tablet fetched last; the announced one for a tablet that has never fetched any."""
    if state is None:
        return None
    return state.announced if state.served_at is None else state.served


def _load_items(repository: ChannelRepository, manifest: Manifest | None) -> list[dict[str, Any]]:
    if manifest is None:
        return []
    return build_set_items(repository.load_declaration_items(manifest.set_sha256), manifest.mode, manifest.repairs)
