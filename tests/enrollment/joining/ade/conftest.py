"""A town with an ADE server whose token is installed, and Apple's portal as a test server on a loopback port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.joining.ade import service, syncing
from enrollment.joining.ade.models import AdeDevice, AdeServer
from enrollment.joining.ade.syncing import AdeSyncResult
from enrollment.joining.ade.testserver import Portal, serve
from enrollment.tablets.models import Tablet
from tests.support.world import TownFactory


@dataclass
class AdeSetup:
    """The runtime, the clock, the portal and the ids that tests of ADE use."""

    runtime: Runtime
    clock: ManualClock
    portal: Portal
    town_id: UUID
    server_id: UUID

    def sync(self) -> AdeSyncResult:
        """Synchronise after a minute has passed."""
        self.clock.advance(timedelta(minutes=1))
        return syncing.sync_server(self.runtime, self.server_id)

    def server(self) -> AdeServer:
        with self.runtime.open_unit_of_work() as work:
            return work.session.get_one(AdeServer, self.server_id)

    def devices(self) -> dict[str, AdeDevice]:
        with self.runtime.open_unit_of_work() as work:
            return {row.serial: row for row in work.session.scalars(select(AdeDevice))}

    def tablets(self) -> dict[str, Tablet]:
        with self.runtime.open_unit_of_work() as work:
            return {row.serial: row for row in work.session.scalars(select(Tablet))}

    def present(self) -> set[str]:
        return {serial for serial, row in self.devices().items() if row.removed_at is None}


@pytest.fixture
def portal(clock: ManualClock) -> Portal:
    return Portal(now=lambda: clock.now().timestamp())


@pytest.fixture
def ade(runtime: Runtime, clock: ManualClock, portal: Portal) -> Iterator[AdeSetup]:
    with serve(portal) as url:
        runtime.settings = runtime.settings.model_copy(update={"device_assignment_url": url})
        with runtime.open_unit_of_work() as work:
            town = TownFactory(work).create_town()
            server = service.create_server(work, SYSTEM, town.id, "Ville")
            service.install_token(work, SYSTEM, server.id, portal.build_token_file(server.certificate))
        yield AdeSetup(runtime, clock, portal, town.id, server.id)
