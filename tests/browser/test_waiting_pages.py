"""A page that waits for tablets shows what has changed, and leaves the keyboard and the columns of a phone where they are."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import select

from cartable.ids import new_id
from cartable.scope import Actor, Role, RoleAssignment
from mdm.care.commands.bulk import request_bulk_command
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.models import BulkCommandTablet
from mdm.care.commands.repository import TabletSelection
from mdm.queue.models import CommandState, QueuedCommand
from tests.support.server import LiveServer
from tests.support.world import TownFactory


def test_the_lines_of_a_command_change_and_the_keyboard_stays(server: LiveServer, sign_in: Callable[..., Page]) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        for _ in range(2):
            tablet = world.create_tablet(town)
            world.enroll_tablet(tablet)
        technician = Actor(new_id(), "technician", (RoleAssignment(Role.TECHNICIAN, town.id),))
        bulk = request_bulk_command(work, technician, TabletSelection(town.id), CommandKind.RESTART, reason="update")
    page = sign_in(town.id, Role.TECHNICIAN, "technician")
    page.set_viewport_size({"width": 390, "height": 844})
    page.clock.install()
    page.goto(f"{server.url}/commands/{bulk.id}")
    states = page.locator('[data-live="lines"] td')
    before = states.all_inner_texts()
    cancel = page.get_by_role("button", name="Annuler ce qui n'est pas parti")
    cancel.focus()
    with server.runtime.open_unit_of_work() as work:
        line = work.session.scalars(select(BulkCommandTablet).where(BulkCommandTablet.bulk_id == bulk.id).limit(1)).one()
        command = work.session.get_one(QueuedCommand, line.command_id)
        command.state, command.finished_at = CommandState.ACKNOWLEDGED, work.now
    page.clock.run_for(6_000)
    expect(states).not_to_have_text(before)
    expect(cancel).to_be_focused()
    assert states.evaluate_all("cells => cells.every(cell => cell.dataset.column && cell.getAttribute('role') === 'cell')")
