"""The page of the server: governors see that nobody is woken, which workers live, and which devices were refused."""

from __future__ import annotations

import html
from collections.abc import Callable

from cartable.scope import Role
from cartable.worker_registry import WorkerProcess
from mdm.channel.errors import RejectionReason
from mdm.channel.repository import ChannelRepository
from mdm.console.system.labels import STOP_REASONS
from mdm.devices.models import DeviceEnrollment
from mdm.push.repository import PushRepository
from mdm.push.rules import StopReason
from tests.mdm.console.conftest import Person
from tests.mdm.queue.connect_loop import enroll_tablets
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_a_governor_sees_what_is_wrong(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        [foreign] = enroll_tablets(work)
        own = TownFactory(work).create_tablet(town)
        work.session.add(
            DeviceEnrollment(
                town_id=town.id, tablet_id=own.id, channel_key="OWN", udid="OWN", state=foreign.state, fingerprint="f",
                authenticated_at=work.now,
            )
        )  # fmt: skip
        work.session.flush()
        for udid in ("STRANGER", "OWN", foreign.udid):
            ChannelRepository(work.session).add_note(udid, udid, RejectionReason.WRONG_CERTIFICATE.value, {}, work.now)
        sender = PushRepository(work.session).lock_sender_state()
        sender.stopped_at = sender.test_at = work.now
        sender.stop_reason, sender.stop_detail = StopReason.SENDER_REFUSED, "TopicDisallowed (7)"
        work.session.add(
            WorkerProcess(id="here:7", host="h", pid=7, kinds=["pushes"], stuck=[], started_at=work.now, heartbeat_at=work.now)
        )
    admin, helpdesk = person(town.id, Role.TOWN_ADMIN), person(town.id, Role.HELPDESK)
    page = html.unescape(admin.client.get("/system").text)
    assert "Apple refuse notre certificat" in page
    assert "TopicDisallowed (7)" in page
    assert "here:7" in page
    assert "STRANGER" in page
    assert own.tag in page
    assert foreign.udid not in page, "devices of other towns are theirs"
    assert "/system" in admin.client.get("/").text
    assert helpdesk.client.get("/system").status_code == 403


def test_each_reason_has_its_words() -> None:
    assert STOP_REASONS.keys() == set(StopReason)
