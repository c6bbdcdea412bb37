"""Pages of the desk: a town's work, preparing, handover, swaps, returns, breakage. Each form also answers the page's script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.tablets import desk, printing
from enrollment.tablets.labels import ACCESSORIES, CAUSES, CONDITIONS, STATES
from enrollment.tablets.models import BreakageCause, Condition, TabletState
from mdm.accounts.models import Account
from mdm.api.deps import WorkDep
from mdm.console.frame import StalePage, check_csrf, get_language, make_csrf_token, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.tablets import desk_actions, desk_table
from mdm.console.tablets.desk_actions import DeskOutcome, DeskPage, ScanForm, wants_json
from mdm.console.tablets.desk_messages import PAGES, translate_script

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class DeskContext:
    """Who works at the desk of which town, in which language."""

    request: Request
    work: UnitOfWork
    actor: Actor
    account: Account
    town: Town
    language: Language

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page of the desk."""
        return render_page(
            self.request, template, status=status, person=self.actor.name, account=self.account, town=self.town,
            towns=_list_towns(self.work, self.actor), request_id=uuid4(), texts=translate_script(self.language),
            pages=[(name, title.translate(self.language), hint.translate(self.language)) for name, (title, hint) in PAGES.items()],
            **values,
        )  # fmt: skip


@router.get("/desk")
def show_towns(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Show the towns to work in; redirect to the desk of the one that is chosen, or that is the only one."""
    actor, _ = require_sign_in(request, work)
    towns = _list_towns(work, actor)
    chosen = [each for each in towns if town in (None, each.id)]
    if len(chosen) == 1:
        return RedirectResponse(f"/desk/{chosen[0].id}", status_code=303)
    return render_page(request, "tablets/desk_towns.html", person=actor.name, towns=towns)


@router.get("/desk/me")
def show_account(request: Request, work: WorkDep) -> Response:
    """Return the account and a CSRF token, for a page whose session ended while scans were waiting."""
    _, account = require_sign_in(request, work)
    return JSONResponse({"account": str(account.id), "csrf": make_csrf_token(request)}, headers={"Cache-Control": "no-store"})


@router.get("/desk/{town_id}")
def show_town(request: Request, town_id: UUID, work: WorkDep) -> Response:
    """Show the work of a town: classes, orders, documents."""
    place = _open_desk(request, work, town_id)
    return place if isinstance(place, Response) else _render_town(place)


@router.post("/desk/{town_id}/orders")
def create_order(
    request: Request, town_id: UUID, work: WorkDep, csrf: Annotated[str, Form()] = "", reference: Annotated[str, Form()] = "",
    serials: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Enter a purchase order."""
    place = _open_desk(request, work, town_id)
    if isinstance(place, Response):
        return place
    try:
        check_csrf(request, csrf)
        done = desk_actions.create_order(work, place.actor, town_id, reference, serials, place.language)
    except StalePage as refusal:
        done = desk_actions.describe_error(refusal, place.language)
    return _render_town(place, done, {} if done.good else {"reference": reference[:60], "serials": serials})


@router.get("/desk/{town_id}/{act}")
def show_page(request: Request, town_id: UUID, act: DeskPage, work: WorkDep) -> Response:
    """Show a page with its scan form."""
    place = _open_desk(request, work, town_id)
    return (
        place
        if isinstance(place, Response)
        else _render_scan_page(place, act, ScanForm(class_id=request.query_params.get("class", "")))
    )


@router.post("/desk/{town_id}/{act}")
def submit_scan(request: Request, town_id: UUID, act: DeskPage, work: WorkDep, form: Annotated[ScanForm, Form()]) -> Response:
    """Carry out one scan. The script receives the result alone, a browser the whole page."""
    place = _open_desk(request, work, town_id)
    if isinstance(place, Response):
        return place
    try:
        check_csrf(request, form.csrf)
        done = desk_actions.carry_out(work, place.actor, town_id, act, form, place.language)
    except StalePage as refusal:
        done = desk_actions.describe_error(refusal, place.language)
    if wants_json(request):
        content = {"ok": done.good, "code": done.code, "title": done.title, "advice": done.advice, "answer": done.answer}
        return JSONResponse(content, status_code=done.status, headers={"Cache-Control": "no-store"})
    return _render_scan_page(place, act, ScanForm(class_id=form.class_id) if done.good else form, done)


def _open_desk(request: Request, work: UnitOfWork, town_id: UUID) -> DeskContext | Response:
    """Return the desk of a town, or the page that says what is missing. Raises to a script."""
    actor, account = require_sign_in(request, work)
    town = next((town for town in _list_towns(work, actor) if town.id == town_id), None)
    if town is None:
        refusal = NotFound()
        if wants_json(request):
            raise refusal
        language = get_language(request)
        return render_page(request, "tablets/desk_towns.html", status=404, person=actor.name, towns=_list_towns(work, actor),
                    problem=refusal.translate(language))  # fmt: skip
    return DeskContext(request, work, actor, account, town, get_language(request))


def _list_towns(work: UnitOfWork, actor: Actor) -> list[Town]:
    return [town for town in places.list_towns(work, actor) if actor.has_permission_somewhere(Permission.HANDLE, town.id)]


def _render_town(place: DeskContext, done: DeskOutcome | None = None, typed: dict[str, str] | None = None) -> Response:
    rows = [
        {"school": school.name, "id": row.id, "label": row.label, "pupils": pupils, "held": held or 0}
        for school, row, pupils, held in desk.list_classes(place.work, place.actor, place.town.id)
    ]
    return place.render(
        "tablets/desk.html", classes=rows, orders=printing.list_purchase_orders(place.work, place.actor, place.town.id), typed=typed or {},
        notice=done.title if done and done.good else "", problem=f"{done.title} {done.advice}" if done and not done.good else "",
        status=done.status if done else 200, may_order=place.actor.has_permission(Permission.HANDLE, place.town.id),
    )  # fmt: skip


def _render_scan_page(place: DeskContext, act: DeskPage, form: ScanForm, done: DeskOutcome | None = None) -> Response:
    table: dict[str, Any] = {}
    if form.class_id or act is DeskPage.HANDOVER:
        try:
            table = desk_table.load_class_table(place.work, place.actor, place.town, UUID(form.class_id), place.language)
        except (DomainError, ValueError):
            return RedirectResponse(f"/desk/{place.town.id}", status_code=303)
    today = [
        {"at": at, "title": desk_actions.describe_result(answer, place.language)}
        for at, answer in desk.list_today_operations(place.work, place.actor, place.town)
        if answer["act"] == _OPERATIONS[act]
    ]
    title, hint = (message.translate(place.language) for message in PAGES[act.value]) if act.value in PAGES else ("", "")
    return place.render(
        "tablets/desk_handover.html" if act is DeskPage.HANDOVER else "tablets/desk_scan.html",
        act=act.value, title=title, hint=hint, form=form, done=done, today=today, table=table, status=done.status if done else 200,
        accessories=[(kind.value, words.translate(place.language)) for kind, words in ACCESSORIES.items()],
        conditions=[(kind.value, CONDITIONS[kind].translate(place.language)) for kind in Condition],
        states=[(kind.value, STATES[kind].translate(place.language)) for kind in (TabletState.STORAGE, TabletState.STOCK)],
        causes=[(kind.value, CAUSES[kind].translate(place.language)) for kind in CAUSES if kind in BreakageCause],
        local=desk_table.make_time_formatter(place.town),
    )  # fmt: skip


_OPERATIONS = {
    DeskPage.BENCH: "bench", DeskPage.HANDOVER: "hand_over", DeskPage.SWAP: "swap", DeskPage.RETURN: "return", DeskPage.BREAKAGE: "breakage", DeskPage.STORE: "store",
}  # fmt: skip
