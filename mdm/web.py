"""The web application: device channel, SCEP and ACME, joining, REST API and console on one server. Composes and holds no rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute

from cartable import __version__, limited_process, tracing
from cartable.unit_of_work import Runtime
from enrollment.identity.acme.endpoint import routes as acme_routes
from enrollment.identity.scep.endpoint import routes as scep_routes
from enrollment.identity.verifier import TrustStore
from enrollment.joining.ade.profile_requests import routes as automated_routes
from enrollment.joining.endpoint import routes as joining_routes
from enrollment.places.town_hosts import TownHosts
from mdm.api import errors, openapi
from mdm.api.accounts import accounts, identity_providers, missions, second_factors, service_tokens, sessions, substitutes
from mdm.api.accounts import administration as account_administration
from mdm.api.accounts import links as account_links
from mdm.api.apps import app_requests, apps, bundles, content_tokens, data_sheets
from mdm.api.care import (
    alarms,
    bulk_commands,
    bulk_erases,
    commands,
    erases,
    loss_reports,
    lost_mode,
    retries,
    safeguards,
    views,
)
from mdm.api.compression import OwnSiteCompression
from mdm.api.conflict_retry import ConflictRetry
from mdm.api.effective import explanations
from mdm.api.filters import blocked_counts, filters
from mdm.api.filters import releases as filter_releases
from mdm.api.guard import RequestGuard
from mdm.api.joining import ade, apple_school_manager, invitations, reservations
from mdm.api.notices import notices
from mdm.api.people import people, roster_exports, roster_mappings, rosters, staff
from mdm.api.places import places, schools, towns
from mdm.api.policy import documents as policy_documents
from mdm.api.policy import groups, presets, settings
from mdm.api.privacy import audit_trail, privacy, rights
from mdm.api.rollover import return_campaigns, rollovers
from mdm.api.schedule import calendars, class_sessions, day_exceptions, guardian_rules, timetables
from mdm.api.system import audit_roots, health, restores, system
from mdm.api.tablets import approvals, carts, custody, desk, documents, identities, incidents, storage, tablets
from mdm.api.traced_requests import TracedRequests
from mdm.care.restores.thread import TimelineThread
from mdm.channel.batcher import Batcher
from mdm.channel.endpoint import ChannelEndpoint, DeviceRequestRouter
from mdm.push.certificates import get_active_topic

_DESCRIPTION = (
    "Manages the tablets that a town lends to its pupils. Refusals are `application/problem+json` with a stable `code`."
)
#: Modules of the parsers of uploaded files.
PARSER_MODULES = (
    "enrollment.places.schools",
    "enrollment.rosters.exports.service",
    "enrollment.rosters.imports.service",
    "profiles.filters.reading",
    "enrollment.rosters.imports.previewing",
    "profiles.schedule.calendar_import",
)
ROUTERS = (
    accounts,
    account_administration,
    account_links,
    missions,
    sessions,
    towns,
    schools,
    second_factors,
    identity_providers,
    service_tokens,
    substitutes,
    notices,
    places,
    people,
    staff,
    roster_exports,
    roster_mappings,  # before the imports, whose addresses end in an id
    rosters,
    invitations,
    ade,
    reservations,
    apple_school_manager,
    tablets,
    identities,
    explanations,
    apps,
    content_tokens,
    data_sheets,
    app_requests,
    bundles,
    settings,
    policy_documents,
    presets,
    groups,
    filters,
    filter_releases,
    blocked_counts,
    timetables,
    calendars,
    day_exceptions,
    class_sessions,
    guardian_rules,
    lost_mode,
    loss_reports,
    commands,
    bulk_commands,
    retries,
    views,
    erases,
    bulk_erases,
    alarms,
    safeguards,
    custody,
    incidents,
    approvals,
    carts,
    desk,
    documents,
    rollovers,
    return_campaigns,
    storage,
    privacy,
    audit_trail,
    rights,
    system,
    restores,
)


def create_app(runtime: Runtime, *, embedded_worker: bool = False) -> DeviceRequestRouter:
    """Return the application of a runtime. With `embedded_worker`, worker and scheduler run as threads beside it."""
    trust = TrustStore(runtime)
    batcher = Batcher(runtime, trust)
    limited_process.preload(*PARSER_MODULES)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        worker = _start_worker(runtime) if embedded_worker else None
        timeline = TimelineThread(runtime)
        timeline.start()
        yield
        timeline.stop()
        if worker is not None:
            await run_in_threadpool(worker.stop)
        await batcher.stop()

    app = _create_bare_app(lifespan, hsts_seconds=runtime.settings.hsts_seconds)
    app.router.routes.extend(_build_api_routes())
    app.openapi = describe_api  # type: ignore[method-assign]  # as FastAPI's documentation shows
    app.state.runtime = runtime
    app.state.batcher, app.state.town_hosts = batcher, TownHosts(runtime)
    app.router.routes.extend(scep_routes(runtime))
    app.router.routes.extend(acme_routes(runtime))
    app.router.routes.extend(automated_routes(runtime, get_active_topic))
    app.router.routes.extend(joining_routes(runtime, get_active_topic))
    _mount_console(app)
    return DeviceRequestRouter(ChannelEndpoint(runtime, trust, batcher), app)


def _start_worker(runtime: Runtime) -> Any:
    from mdm.worker.embedded import EmbeddedWorker

    worker = EmbeddedWorker(runtime)
    worker.start()
    return worker


def _mount_console(app: FastAPI) -> None:
    from mdm.console.error_pages import install_error_pages
    from mdm.console.filters.foreign_hosts import ForeignHosts
    from mdm.console.routes import build_page_routes
    from mdm.console.static_files import assets

    app.add_middleware(ForeignHosts)
    app.router.routes.extend(build_page_routes())
    install_error_pages(app)
    app.mount("/console/assets", assets)


@cache
def describe_api() -> dict[str, Any]:
    """Return the OpenAPI document of the REST API, made once per process. Callers must not change it."""
    app = _create_bare_app(None)
    app.router.routes.extend(_build_api_routes())
    return app.openapi()


@cache
def _build_api_routes() -> tuple[BaseRoute, ...]:
    """Return the routes of the REST API, built once per process: FastAPI takes a third of a second to read their signatures."""
    app = _create_bare_app(None)
    api = APIRouter(prefix="/api/v1", responses=errors.COMMON_RESPONSES)
    for module in ROUTERS:
        openapi.summarise_operations(module.router)
        api.include_router(module.router)
    before = len(app.router.routes)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(audit_roots.router)
    return tuple(app.router.routes[before:])


def _create_bare_app(lifespan: Any, *, hsts_seconds: int = 0) -> FastAPI:
    app = FastAPI(
        title="Cartable", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json", openapi_tags=openapi.TAGS, generate_unique_id_function=openapi.name_operation,
        lifespan=lifespan,
    )  # fmt: skip
    errors.install_handlers(app)
    if tracing.is_enabled():
        app.add_middleware(TracedRequests)  # the innermost: others copy the scope, which learns the route
    app.add_middleware(OwnSiteCompression)
    app.add_middleware(ConflictRetry)
    app.add_middleware(RequestGuard, hsts_seconds=hsts_seconds)
    return app
