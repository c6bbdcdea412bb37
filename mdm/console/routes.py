"""The routes of all pages, in the order in which they are tried. A new page is a line here. No page is made here."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from mdm.console import accessibility, api_docs
from mdm.console.accounts import accounts as account_pages
from mdm.console.accounts import identity_providers as identity_provider_pages
from mdm.console.accounts import links as account_link_pages
from mdm.console.accounts import me, sign_in, sign_in_elsewhere
from mdm.console.accounts import missions as mission_pages
from mdm.console.accounts import roles as role_pages
from mdm.console.accounts import second_factors as second_factor_pages
from mdm.console.accounts import service_tokens as service_token_pages
from mdm.console.accounts import sessions as session_pages
from mdm.console.accounts import substitutes as substitute_pages
from mdm.console.apps import app_requests, configuration, data_sheets
from mdm.console.apps import apps as app_pages
from mdm.console.apps import bundles as bundle_pages
from mdm.console.apps import licences as licence_pages
from mdm.console.care import bulk_commands as bulk_command_pages
from mdm.console.care import bulk_erases
from mdm.console.care import loss_reports as loss_pages
from mdm.console.care import restores as restore_pages
from mdm.console.care import safeguards as safeguard_pages
from mdm.console.filters import blocked_counts, check, lists, releases, web_filter
from mdm.console.notices import notices as notice_pages
from mdm.console.people import pupil as pupil_pages
from mdm.console.people import pupils as pupil_list_pages
from mdm.console.people import roster_exports as roster_export_pages
from mdm.console.people import roster_imports, rosters
from mdm.console.people import school_people as school_people_pages
from mdm.console.people import staff as staff_pages
from mdm.console.places import emergency_card as emergency_card_page
from mdm.console.places import town as town_pages
from mdm.console.policy import groups as group_pages
from mdm.console.policy import presets as preset_pages
from mdm.console.policy import publishing as policy_publishing
from mdm.console.policy import rules as policy_rules
from mdm.console.policy import system_updates as system_update_pages
from mdm.console.privacy import audit as audit_pages
from mdm.console.privacy import child_record as child_record_pages
from mdm.console.privacy import duties as privacy_duty_pages
from mdm.console.privacy import rights as rights_pages
from mdm.console.rollover import rollovers, school_classes
from mdm.console.schedule import activities, calendar, class_sessions, days, hours, tablet_mode
from mdm.console.search import search as search_pages
from mdm.console.setup import apple_school_manager as apple_school_manager_pages
from mdm.console.setup import first_tablet, organisation_key, setup_assistant, start
from mdm.console.system import push_certificate, server_alarms
from mdm.console.system import system as system_page
from mdm.console.system import towns as operator_pages
from mdm.console.tablets import (
    acts,
    carts,
    coming,
    custody,
    desk,
    desk_documents,
    ending_identities,
    incident_pages,
    label,
    life,
    reports,
    saved_views,
    tablet_list,
    tablets,
    why,
)
from mdm.console.today import today as today_page

#: The modules that have pages.
PAGES = (
    today_page,
    search_pages,
    tablet_list,
    tablets,
    acts,
    label,
    life,
    carts,
    coming,
    reports,
    incident_pages,
    saved_views,
    why,
    ending_identities,
    system_page,
    push_certificate,
    server_alarms,
    operator_pages,
    custody,
    api_docs,
    accessibility,
    desk_documents,
    desk,
    rosters,
    roster_export_pages,
    roster_imports,
    rollovers,
    school_classes,
    bulk_erases,
    loss_pages,
    bulk_command_pages,
    safeguard_pages,
    restore_pages,
    calendar,
    days,
    tablet_mode,
    hours,
    app_pages,
    bundle_pages,
    configuration,
    data_sheets,
    app_requests,
    pupil_list_pages,
    school_people_pages,
    pupil_pages,
    staff_pages,
    class_sessions,
    activities,
    role_pages,
    start,
    first_tablet,
    apple_school_manager_pages,
    setup_assistant,
    organisation_key,
    town_pages,
    policy_publishing,
    preset_pages,
    group_pages,
    policy_rules,
    system_update_pages,
    licence_pages,
    child_record_pages,
    privacy_duty_pages,
    rights_pages,
    audit_pages,
    check,
    lists,
    releases,
    web_filter,
    blocked_counts,
    emergency_card_page,
    sign_in,
    session_pages,
    account_link_pages,
    account_pages,
    me,
    second_factor_pages,
    identity_provider_pages,
    sign_in_elsewhere,
    service_token_pages,
    substitute_pages,
    mission_pages,
    notice_pages,
)


@cache
def build_page_routes() -> tuple[BaseRoute, ...]:
    """Return the routes of the console, built once per process."""
    router = APIRouter()
    for module in PAGES:
        router.include_router(module.router)
    return tuple(router.routes)


def list_page_routes(method: str) -> list[APIRoute]:
    """Return the routes that answer a method, in the order in which they are tried."""
    routes = [route for module in PAGES for route in module.router.routes]
    return [route for route in routes if isinstance(route, APIRoute) and method in (route.methods or ())]
