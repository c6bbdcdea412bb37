"""The pages of data-protection sheets: the register of a town's apps, one sheet, the verdict of the data protection officer. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.spreadsheets import build_workbook
from cartable.unit_of_work import UnitOfWork
from mdm.api.attachments import MEDIA_TYPES, ReportFormat, build_attachment
from mdm.api.deps import WorkDep
from mdm.console.apps.labels import LEGAL_BASES, VERDICTS, verdict_label
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import check_csrf, choose_town, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day
from profiles.apps.data_sheets import service
from profiles.apps.data_sheets.models import AppVerdict, DataProtectionSheet, LegalBasis
from profiles.apps.data_sheets.service import SheetFacts
from profiles.apps.models import App

PAGE = "/app-sheets"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("The sheet is saved."),
    "decided": Message("The verdict is recorded."),
}
_COLUMNS = (
    Message("App"),
    Message("Publisher"),
    Message("Purpose"),
    Message("Data"),
    Message("Hosted in"),
    Message("Legal basis"),
    Message("Kept until"),
    Message("GAR"),
    Message("Agreement signed on"),
    Message("Where the agreement is kept"),
    Message("Verdict"),
    Message("Conditions"),
    Message("Reviewed on"),
)
Text = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("")
def show_sheets(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Show the register: every app of a town with what is decided about it."""
    actor, _ = require_sign_in(request, work)
    chosen, language = choose_town(work, actor, Permission.PRIVACY, town), get_language(request)
    return render_page(
        request,
        "apps/data_sheets.html",
        town=chosen,
        towns=list_permitted_towns(work, actor, Permission.PRIVACY),
        rows=[
            {"app": app, "sheet": sheet, "verdict": _describe_verdict(app, sheet, language)}
            for app, sheet in service.list_sheets(work, actor, chosen.id)
        ],
    )


@router.get("/export")
def export_sheets(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Return the register as a spreadsheet, for the records of processing activities."""
    actor, _ = require_sign_in(request, work)
    chosen, language = choose_town(work, actor, Permission.PRIVACY, town), get_language(request)
    lines = [_describe_line(app, sheet, language) for app, sheet in service.list_sheets(work, actor, chosen.id)]
    content = build_workbook([[column.translate(language) for column in _COLUMNS], *lines])
    return build_attachment(content, "apps.xlsx", MEDIA_TYPES[ReportFormat.XLSX])


@router.get("/{app_id}")
def show_sheet(request: Request, work: WorkDep, app_id: UUID, done: str = "") -> Response:
    """Show the sheet of one app."""
    actor, _ = require_sign_in(request, work)
    return _render_sheet(request, work, actor, app_id, notice=done)


@router.post("/{app_id}")
def save_sheet(
    request: Request,
    work: WorkDep,
    app_id: UUID,
    csrf: CsrfField,
    publisher: Annotated[str, Form(min_length=1, max_length=160)],
    purpose: Text,
    data_categories: Text,
    hosting_country: Annotated[str, Form(min_length=1, max_length=80)],
    legal_basis: Annotated[LegalBasis, Form()],
    retention: Annotated[str, Form(min_length=1, max_length=300)],
    uses_gar: Annotated[bool, Form()] = False,
    agreement_signed_on: Annotated[str, Form(max_length=10)] = "",
    agreement_reference: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Save the facts of a sheet."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)

    def act() -> None:
        facts = SheetFacts(
            publisher.strip(), purpose.strip(), data_categories.strip(), hosting_country.strip(), legal_basis, retention.strip(),
            uses_gar, parse_day(agreement_signed_on, "agreement_signed_on"), agreement_reference.strip() or None,
        )  # fmt: skip
        service.save_sheet(work, actor, app_id, facts)

    typed = {
        "publisher": publisher, "purpose": purpose, "data_categories": data_categories, "hosting_country": hosting_country,
        "legal_basis": legal_basis, "retention": retention, "uses_gar": uses_gar, "agreement_signed_on": agreement_signed_on,
        "agreement_reference": agreement_reference,
    }  # fmt: skip
    return _answer(request, work, actor, app_id, attempt(work, act), "saved", typed)


@router.post("/{app_id}/verdict")
def set_verdict(
    request: Request,
    work: WorkDep,
    app_id: UUID,
    csrf: CsrfField,
    verdict: Annotated[AppVerdict, Form()],
    conditions: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Record the verdict about an app."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: service.decide_verdict(work, actor, app_id, verdict, conditions))
    return _answer(request, work, actor, app_id, refusal, "decided", {"conditions": conditions, "verdict": verdict})


def _describe_verdict(app: App, sheet: DataProtectionSheet | None, language: Language) -> str:
    return verdict_label({app.id: sheet.verdict} if sheet is not None else {}, app.id, language)


def _describe_line(app: App, sheet: DataProtectionSheet | None, language: Language) -> list[str]:
    if sheet is None:
        return [app.name, *[""] * 9, _describe_verdict(app, sheet, language), "", ""]
    return [
        app.name, sheet.publisher, sheet.purpose, sheet.data_categories, sheet.hosting_country,
        LEGAL_BASES[sheet.legal_basis].translate(language), sheet.retention, "GAR" if sheet.uses_gar else "",
        format_day(sheet.agreement_signed_on) if sheet.agreement_signed_on else "", sheet.agreement_reference or "",
        _describe_verdict(app, sheet, language), sheet.conditions or "", format_day(sheet.reviewed_on) if sheet.reviewed_on else "",
    ]  # fmt: skip


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    app_id: UUID,
    refusal: DomainError | None,
    done: str,
    typed: dict[str, Any],
) -> Response:
    """Return to the sheet after an act, or show it with what was typed and why it was refused."""
    if refusal is None:
        return RedirectResponse(f"{PAGE}/{app_id}?done={done}", status_code=303)
    return _render_sheet(request, work, actor, app_id, refusal=refusal, typed=typed)


def _render_sheet(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    app_id: UUID,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    app = service.get_app(work, actor, app_id)
    choose_town(work, actor, Permission.PRIVACY, app.town_id)
    sheet = service.find_sheet(work, actor, app_id)
    return render_page(
        request,
        "apps/data_sheet.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        app=app,
        sheet=sheet,
        values={**(_list_values(sheet) if sheet is not None else {}), **(typed or {})},
        verdict=_describe_verdict(app, sheet, language),
        reviewed=format_day(sheet.reviewed_on) if sheet is not None and sheet.reviewed_on else "",
        bases=[(each.value, label.translate(language)) for each, label in LEGAL_BASES.items()],
        verdicts=[(each.value, label.translate(language)) for each, label in VERDICTS.items()],
    )


def _list_values(sheet: DataProtectionSheet) -> dict[str, Any]:
    return {column.key: getattr(sheet, column.key) for column in DataProtectionSheet.__table__.columns}
