"""The web pages of an invitation: code form, landing page, enrollment profile. A thin edge over `service` and `profiles`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import structlog
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from cartable.client_address import group_address, resolve_client_address
from cartable.errors import DomainError
from cartable.i18n import Language, choose_language
from cartable.ids import normalise_code
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.profile_signing import sign_profile
from enrollment.joining import guesses, profiles, service
from enrollment.joining.errors import InvitationExpired, InvitationNotFound, InvitationUsedUp
from enrollment.joining.refusals import SHOWN_FOR, load_last_refusals

PROFILE_TYPE = "application/x-apple-aspen-config"
_TEMPLATES = Path(__file__).parent / "templates"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
log = structlog.get_logger()


def routes(runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> list[BaseRoute]:
    """Return the routes of invitations. `topic_of` returns the push topic (Apple MDM payload: Topic) of the server."""
    pages = JoiningPages(runtime, topic_of)
    return [
        Route("/join", pages.show_code_form, methods=["GET"]),
        Route("/join/assets/landing.css", pages.serve_stylesheet, methods=["GET"]),
        Route("/join/{code}", pages.show_landing_page, methods=["GET"]),
        Route("/join/{code}/profile", pages.download_profile, methods=["GET"]),
    ]


class JoiningPages:
    """Serves the pages for people and tablets with an invitation code."""

    def __init__(self, runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> None:
        self.runtime = runtime
        self.topic_of = topic_of
        environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape())
        self.template = environment.get_template("landing.html")
        self.css = (_TEMPLATES / "landing.css").read_bytes()

    async def serve_stylesheet(self, request: Request) -> Response:
        return Response(self.css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def show_code_form(self, request: Request) -> Response:
        """Show the form for an invitation code; redirect a typed code to its landing page."""
        code = normalise_code(request.query_params.get("code", ""))
        if code:
            return RedirectResponse(f"/join/{quote(code)}", status_code=303)
        return self._render_page(_get_language(request))

    async def show_landing_page(self, request: Request) -> Response:
        """Show the page with the download button, or why the code cannot be used."""
        code = normalise_code(request.path_params["code"])
        language = _get_language(request)
        try:
            await run_in_threadpool(self._check_code, code, self._get_address(request))
        except (InvitationExpired, InvitationUsedUp) as refusal:
            hint = await run_in_threadpool(self._describe_last_refusal, code, language)
            return self._render_refusal(refusal, language, hint)
        except DomainError as refusal:  # an unknown code, or too many wrong ones: the answer reveals nothing about any invitation
            return self._render_refusal(refusal, language)
        hint = await run_in_threadpool(self._describe_last_refusal, code, language)
        return self._render_page(language, code=code, hint=hint)

    async def download_profile(self, request: Request) -> Response:
        """Return the enrollment profile: CMS-signed, or plain with `?unsigned=1` for tools that cannot unwrap it."""
        code = normalise_code(request.path_params["code"])
        signed = request.query_params.get("unsigned", "0") in ("", "0", "false")
        try:
            body = await run_in_threadpool(self._build_profile, code, self._get_address(request), signed=signed)
        except DomainError as refusal:
            return self._render_refusal(refusal, _get_language(request))
        disposition = {"Content-Disposition": 'attachment; filename="enroll.mobileconfig"', "Cache-Control": "no-store"}
        return Response(body, media_type=PROFILE_TYPE, headers=disposition)

    def _check_code(self, code: str, address: str) -> None:
        with self._limit_guesses(address), self.runtime.open_unit_of_work() as work:
            service.get_open_invitation(work, code)

    def _describe_last_refusal(self, code: str, language: Language) -> str:
        """Return why the last device with this code was refused, if that was lately: an iPad itself does not say it."""
        with self.runtime.open_unit_of_work() as work:
            invitation = service.find_invitation(work, code)
            refusal = load_last_refusals(work, [invitation]).get(invitation.id) if invitation is not None else None
            if refusal is None or refusal.at < work.now - SHOWN_FOR:
                return ""
            return refusal.message.translate(language)

    @contextmanager
    def _limit_guesses(self, address: str) -> Iterator[None]:
        """Refuse the attempt if the address has guessed too often; count it if its code does not exist."""
        with self.runtime.open_unit_of_work() as work:
            guesses.check_wrong_codes(work, address)
        try:
            yield
        except InvitationNotFound:
            with self.runtime.open_unit_of_work() as work:
                guesses.record_wrong_code(work, address)
            raise

    def _get_address(self, request: Request) -> str:
        peer = request.client.host if request.client else None
        forwarded_for = request.headers.getlist("x-forwarded-for")
        return group_address(resolve_client_address(peer, forwarded_for, self.runtime.settings.proxy_networks))

    def _build_profile(self, code: str, address: str, *, signed: bool) -> bytes:
        with self._limit_guesses(address), self.runtime.open_unit_of_work() as work:
            invitation = service.get_open_invitation(work, code)
            plain = profiles.build_enrollment_profile(work, invitation, self.topic_of(work))
            log.info("join.profile_downloaded", invitation=str(invitation.id), signed=signed)
            return sign_profile(work, plain) if signed else plain

    def _render_refusal(self, refusal: DomainError, language: Language, hint: str = "") -> Response:
        log.warning("join.code_refused", code=refusal.code)
        return self._render_page(language, problem=refusal.translate(language), hint=hint, status=refusal.status)

    def _render_page(
        self, language: Language, *, code: str = "", problem: str = "", hint: str = "", status: int = 200
    ) -> Response:
        body = self.template.render(
            language=language.code,
            _=language.gettext,
            organisation=self.runtime.settings.organisation,
            code=code,
            problem=problem,
            hint=hint,
        )
        return Response(body, status_code=status, media_type="text/html", headers=_HEADERS)


def _get_language(request: Request) -> Language:
    return choose_language(request.headers.get("accept-language"))
