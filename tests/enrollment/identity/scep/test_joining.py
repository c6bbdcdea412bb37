"""Joining and SCEP by independent clients over real HTTPS, and what is refused."""

from __future__ import annotations

import asyncio
import ssl

import httpx

from cartable.scope import SYSTEM
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from simulator import SimulatedTablet
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def _code(server: LiveServer, uses: int = 1) -> str:
    with server.runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id, max_uses=uses)
        return create_invitations(work, SYSTEM, spec)[0].code


async def _enrol(server: LiveServer, code: str) -> None:
    async with SimulatedTablet(server.url, code, ca=server.ca) as tablet:
        await tablet.enrol()
        await tablet.poll()


def test_an_invitation_without_uses_left_is_refused(server: LiveServer) -> None:
    code = _code(server)
    asyncio.run(_enrol(server, code))
    answer = httpx.get(f"{server.url}/join/{code}", verify=_trust(server))
    assert answer.status_code == 409
    assert "déjà servi" in answer.text


def _trust(server: LiveServer) -> ssl.SSLContext:

    return ssl.create_default_context(cafile=str(server.ca))


def test_garbage_is_refused_and_the_server_keeps_running(server: LiveServer) -> None:
    for body in (b"", b"\x30\x80", b"\x30\x03\x02\x01\x00", b"A" * 70_000):
        answer = httpx.post(f"{server.url}/scep?operation=PKIOperation", content=body, verify=_trust(server))
        assert answer.status_code == 400
    caps = httpx.get(f"{server.url}/scep?operation=GetCACaps&message=0", verify=_trust(server))
    assert "POSTPKIOperation" in caps.text.splitlines()
    assert caps.headers["content-type"] == "text/plain"
