"""The page of notices of a town: addresses outside, webhooks, what was sent; and the form of the own choice."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.alarms import MESSAGES
from cartable.errors import DomainError
from cartable.i18n import Message, list_available_languages
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    OWN_ACCOUNT_PAGE,
    authenticate,
    check_csrf,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
    select_town,
)
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.notices import service
from mdm.notices.models import NoticeLevel, RecipientKind

PAGE = "/notices"
RECIPIENTS: dict[RecipientKind, Message] = {
    RecipientKind.ACCOUNT: Message("a person"),
    RecipientKind.ADDRESS: Message("an address outside"),
    RecipientKind.OPERATOR_ADDRESS: Message("the operator"),
    RecipientKind.WEBHOOK: Message("a webhook"),
}
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(PAGE)
def show_notices(request: Request, work: WorkDep, town_id: UUID | None = None, after: str = "") -> Response:
    """Show who gets the alarms of a town, and what became of each notice."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, town_id, after=after)


@router.post(f"{PAGE}/addresses")
def add_address(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    town_id: Annotated[UUID, Form()],
    email: Annotated[str, Form(max_length=200)],
    language: Annotated[str, Form(max_length=16)],
) -> Response:
    """Enter a mail address outside the system."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: service.add_address(work, actor, town_id, email, language))
    return _render(request, work, actor, town_id, refusal=refusal) if refusal else _redirect(town_id)


@router.post(f"{PAGE}/webhooks")
def add_webhook(
    request: Request, work: WorkDep, csrf: CsrfField, town_id: Annotated[UUID, Form()], url: Annotated[str, Form(max_length=500)]
) -> Response:
    """Enter a webhook, and show its secret once."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    secrets: list[str] = []
    refusal = attempt(work, lambda: secrets.append(service.add_webhook(work, actor, town_id, url).secret))
    return _render(request, work, actor, town_id, refusal=refusal, secret=secrets[0] if secrets and not refusal else "")


@router.post(f"{PAGE}/recipients/{{recipient_id}}/remove")
def remove_recipient(
    request: Request, work: WorkDep, recipient_id: UUID, csrf: CsrfField, town_id: Annotated[UUID, Form()]
) -> Response:
    """Remove an address or a webhook."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.remove_recipient(work, actor, town_id, recipient_id)
    return _redirect(town_id)


@router.post(f"{OWN_ACCOUNT_PAGE}/notices")
def save_choice(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    level: Annotated[NoticeLevel, Form()],
    language: Annotated[str, Form(max_length=16)],
    email: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Save of which alarms the person is written to."""
    who = authenticate(request, work)
    check_csrf(request, csrf)
    service.save_choice(work, who.account, level=level, email=email, language=language)
    return RedirectResponse(OWN_ACCOUNT_PAGE, status_code=303)


def _redirect(town_id: UUID) -> Response:
    return RedirectResponse(f"{PAGE}?town_id={town_id}", status_code=303)


def _render(
    request: Request,
    work: WorkDep,
    actor: Actor,
    town_id: UUID | None,
    *,
    after: str = "",
    refusal: DomainError | None = None,
    secret: str = "",
) -> Response:
    language = get_language(request)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    page = service.list_notices(work, actor, town.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "notices/notices.html",
        refusal=refusal,
        town=town,
        has_mail_server=bool(work.settings.smtp_host),
        secret=secret,
        addresses=[{"id": row.id, "text": row.email} for row in service.list_addresses(work, actor, town.id).items],
        webhooks=[{"id": row.id, "text": row.url} for row in service.list_webhooks(work, actor, town.id).items],
        language_names=[(each.code, each.name) for each in list_available_languages()],
        next_url=f"{PAGE}?town_id={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        rows=[
            {
                "sentence": MESSAGES[notice.kind].translate(language),
                "raised": format_instant(alarm.raised_at),
                "recipient": RECIPIENTS[notice.recipient_kind].translate(language),
                "sent": format_instant(notice.sent_at) if notice.sent_at else "",
                "failed": notice.failed_at is not None,
                "error": notice.last_error or "",
            }
            for notice, alarm in page.items
        ],
    )
