"""The list of tablets: by state, filtered, searched, ordered, and as a file for a spreadsheet. It calls the services that the API calls."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable import alarms
from cartable.i18n import Language
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.spreadsheets import build_csv, build_workbook
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade
from enrollment.tablets.labels import STATES
from enrollment.tablets.models import TabletState
from mdm.accounts.errors import MustChangePassword, NotSignedIn
from mdm.api.attachments import MEDIA_TYPES, ReportFormat, build_attachment
from mdm.api.deps import WorkDep, get_runtime
from mdm.care import inventory_export, overview
from mdm.care.lost_mode.reports import count_waiting_reports
from mdm.care.overview_repository import TabletRow
from mdm.care.restores import overview as restores
from mdm.care.tablet_columns import TabletColumn, choose_columns, parse_order
from mdm.care.views import service as saved_views
from mdm.console.care.command_labels import KINDS
from mdm.console.care.safeguards import describe_alarm
from mdm.console.chapters import find_start_page
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.places_bar import Place
from mdm.console.setup.start import list_open_checklists
from mdm.console.tablets.list_columns import build_cells, build_sheet, describe_choices, describe_headers
from mdm.console.tablets.list_filters import LITTLE_BATTERY, LITTLE_STORAGE, SILENT_DAYS, ListAddress, ListAddressQuery
from mdm.console.times import format_instant
from mdm.reconcile.renewals import count_ending_identities

_TONES = {TabletState.LOST: "bad-text", TabletState.IN_USE: "good", TabletState.FOUND: "warn"}
#: Tablets of one page.
PAGE_SIZE = 50
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def show_tablets(request: Request, work: WorkDep, address: ListAddressQuery, after: str = "") -> Response:
    """Show tablets of one town by state, filtered, with a search; without a sign-in, the sign-in page."""
    try:
        actor, _ = require_sign_in(request, work)
    except MustChangePassword:
        return render_page(request, "accounts/password.html")
    except NotSignedIn:
        return render_page(request, "accounts/sign_in.html")
    start_page = find_start_page(actor)
    if start_page is not None:
        return RedirectResponse(start_page, status_code=303)
    language = get_language(request)
    town_id = get_town_of_list(request)
    filters = address.build_filter(work.now, town_id)
    ending = count_ending_identities(work, actor).ending
    order, columns = parse_order(address.sort), _choose_columns(work, actor, address)
    page = overview.list_tablets(work, actor, filters, PageRequest(PAGE_SIZE, after[:MAX_CURSOR_LENGTH] or None), order)
    rows = page.items
    zone_by_town = places.get_town_zones(work, {row.tablet.town_id for row in rows})
    counts = overview.count_by_state(work, actor, town_id)
    query = {**address.list_chosen(), **({"town": str(town_id)} if town_id else {})}
    return render_page(
        request,
        "tablets/tablets.html",
        person=actor.name,
        alarms=_list_open_alarms(work, actor, language),
        chosen=address,
        list_town=town_id,
        checklists=list_open_checklists(work, actor, language) if not (address.list_chosen() or after) else [],
        ending=ending,
        losses=count_waiting_reports(work, actor),
        restored=restores.needs_attention(work, actor),
        next_url=f"/?{urlencode({**query, 'after': page.next_cursor})}" if page.next_cursor else "",
        export_query=urlencode(query),
        headers=describe_headers(columns, order, query, language),
        column_choices=describe_choices(columns, language),
        view_query=urlencode({**query, "columns": ",".join(columns)}),
        query={name: value for name, value in query.items() if name != "state"},
        is_filtered=bool(query.keys() - {"state", "q", "town", "sort", "columns"}),
        total=sum(counts.values()),
        sees=actor.everywhere or any(grant.allows(Permission.SEE) for grant in actor.role_assignments),
        tiles=[
            {"state": s.value, "count": counts.get(s, 0), "label": STATES[s].translate(language, count=counts.get(s, 0))}
            for s in TabletState
            if counts.get(s) or s is filters.state
        ],
        schools=[(str(each.id), each.name) for each in places.list_schools(work, actor, town_id)],
        grades=[each.value for each in Grade],
        silent_days=SILENT_DAYS,
        views=[{"id": view.id, "name": view.name, "query": view.query} for view in saved_views.list_views(work, actor)],
        query_text=urlencode(query),
        systems=[str(number) for number in overview.list_systems(work, actor)],
        little_battery=LITTLE_BATTERY,
        little_storage=LITTLE_STORAGE,
        rows=[describe_row(row, language, get_row_zone(row, zone_by_town[row.tablet.town_id])) for row in rows],
        command_town=rows[0].tablet.town_id if rows and actor.list_permitted_towns(Permission.CARE) else None,
        kinds=[(kind.value, label.translate(language)) for kind, label in KINDS.items()],
    )


@router.get("/tablets.{form}")
def export_tablets(request: Request, work: WorkDep, address: ListAddressQuery, form: ReportFormat) -> Response:
    """Download the filtered list with its columns in its order, without names of people."""
    actor, _ = require_sign_in(request, work)
    filters = address.build_filter(work.now, get_town_of_list(request))
    with get_runtime(request).open_reading(beside=work) as reading:
        rows = inventory_export.export_inventory(work, actor, filters, parse_order(address.sort), reading=reading)
    town_zones = places.get_town_zones(work, {row.tablet.town_id for row in rows})
    zones = [get_row_zone(row, town_zones[row.tablet.town_id]) for row in rows]
    sheet = build_sheet(rows, zones, _choose_columns(work, actor, address), get_language(request))
    content = build_workbook(sheet) if form is ReportFormat.XLSX else build_csv(sheet)
    return build_attachment(content, f"tablets-{work.now:%Y-%m-%d}.{form.value}", MEDIA_TYPES[form.value])


def _choose_columns(work: UnitOfWork, actor: Actor, address: ListAddress) -> tuple[TabletColumn, ...]:
    """Return the columns that the address names, as that of a saved view does; else those that the person has chosen."""
    return choose_columns(address.columns.split(",")) if address.columns else saved_views.list_columns(work, actor)


def get_town_of_list(request: Request) -> UUID | None:
    """Return the town of a list for who has several, so that they are never mixed; None for who has one."""
    place: Place = request.state.place
    return place.town.id if place.town is not None and len(place.towns) > 1 else None


def _list_open_alarms(work: UnitOfWork, actor: Actor, language: Language) -> list[dict[str, Any]]:
    """Return the alarms that nobody has noted, in the towns that the person governs."""
    rows = alarms.list_open_alarms(work, actor.list_permitted_towns(Permission.GOVERN), limit=5)
    return [describe_alarm(row, language, actor) for row in rows]


def get_row_zone(row: TabletRow, town_zone: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a tablet: of its school, else of its town."""
    return ZoneInfo(row.school.time_zone) if row.school and row.school.time_zone else town_zone


def describe_row(row: TabletRow, language: Language, zone: ZoneInfo) -> dict[str, Any]:
    """Return a tablet as lists and pages show it: a child by first name and initial."""
    known = {column.value: text or "–" for column, text in build_cells(row, language, zone).items()}
    return {
        **known,
        "id": row.tablet.id,
        "town_id": row.tablet.town_id,
        "state": STATES[row.tablet.state].translate(language),
        "tone": _TONES.get(row.tablet.state, "soft"),
        "erased": format_instant(row.erased_at, zone) if row.erased_at is not None else "",
        "holder": _describe_holder(row, language),
    }


def _describe_holder(row: TabletRow, language: Language) -> str:
    pupil, member = row.pupil, row.staff_member
    if pupil is not None:
        return f"{pupil.first_name} {(pupil.usage_name or pupil.last_name)[:1]}. ({pupil.grade})"
    return f"{member.first_name} {member.last_name} ({language.gettext('staff')})" if member is not None else "–"
