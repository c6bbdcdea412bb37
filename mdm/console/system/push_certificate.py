"""The page of Apple's push certificate: the request, the vendor's signature, what Apple's portal gave, and until when it counts."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute, read_text_file
from mdm.console.times import format_day, format_instant
from mdm.push import requests
from mdm.push.certificates import get_certificate_health, import_certificate
from mdm.push.errors import PushTopicChanged

PAGE = "/system/push-certificate"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "requested": Message("The request is made. Download it, and go on with the next step."),
    "installed": Message("The certificate is installed: tablets are woken with it from now on."),
}


async def _read_certificate(request: Request) -> str:
    form = await request.form(max_files=1)
    return await read_text_file(form.get("certificate"))


CertificateDep = Annotated[str, Depends(_read_certificate)]


@router.get("")
def show_push_certificate(request: Request, work: WorkDep, done: str = "") -> Response:
    """Show the certificate, open requests and the steps, to the operator."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, notice=done)


@router.post("/requests")
def create_request(
    request: Request, work: WorkDep, csrf: CsrfField, email: Annotated[str, Form(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]
) -> Response:
    """Make a key and the request for its certificate."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    requests.create_request(work, actor, email)
    return RedirectResponse(f"{PAGE}?done=requested", status_code=303)


@router.get("/requests/{request_id}.csr")
def download_request(request: Request, work: WorkDep, request_id: UUID) -> Response:
    """Return a request, for the vendor."""
    actor, _ = require_sign_in(request, work)
    return _download(requests.load_request(work, actor, request_id), "cartable-push.csr")


@router.get("/requests/{request_id}.plist")
def download_signed_request(request: Request, work: WorkDep, request_id: UUID) -> Response:
    """Return a request that the vendor's key on this server has signed, for Apple's portal."""
    actor, _ = require_sign_in(request, work)
    return _download(requests.sign_request(work, actor, request_id), "cartable-push.plist")


@router.post("")
def install_certificate(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    certificate: CertificateDep,
    other_topic: Annotated[bool, Form()] = False,
) -> Response:
    """Install what Apple's portal gave. A certificate of another topic is installed only when the person has ticked what it means."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: import_certificate(work, actor, certificate.encode(), force=other_topic))
    if refusal is not None:
        return _render(request, work, actor, refusal=refusal)
    return RedirectResponse(f"{PAGE}?done=installed", status_code=303)


def _download(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/octet-stream", headers=headers)


def _render(
    request: Request, work: UnitOfWork, actor: Actor, *, notice: str = "", refusal: DomainError | None = None
) -> Response:
    rows = requests.list_requests(work, actor)
    language, health = get_language(request), get_certificate_health(work)
    return render_page(
        request,
        "system/push_certificate.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        is_other_topic=isinstance(refusal, PushTopicChanged),
        health=health,
        until=format_day(health.not_after) if health.not_after else "",
        may_sign=requests.may_sign(work.settings),
        rows=[_describe_request(row.id, format_instant(row.created_at)) for row in rows],
    )


def _describe_request(request_id: UUID, made: str) -> dict[str, Any]:
    address = f"{PAGE}/requests/{request_id}"
    return {"made": made, "address": f"{address}.csr", "signed_address": f"{address}.plist"}
