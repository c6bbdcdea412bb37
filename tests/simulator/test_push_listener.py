"""Tablets poll when they receive a push for them."""

from __future__ import annotations

import asyncio

import pytest

from simulator import PushListener, trust
from simulator.tablet_loop import TabletLoop
from tests.simulator.conftest import SimulatorRig
from tests.simulator.lines import PushStandIn


def test_a_tablet_polls_on_a_push_with_its_magic_only(rig: SimulatorRig) -> None:
    async def story() -> None:
        context = trust.build_tls_context(trust.parse_pem_roots(rig.ca))
        async with (
            PushStandIn(rig.tls) as push_stand_in,
            PushListener("localhost", push_stand_in.port, context, pause=0.05) as push_listener,
            rig.create_tablet(push_listener=push_listener) as tablet,
        ):
            await tablet.enrol()
            await push_stand_in.push(tablet.device.push_token, "wrong")
            with pytest.raises(TimeoutError):
                await tablet.poll_on_push(0.2)
            assert tablet.ignored_pushes == 1
            rig.server.enqueue(tablet.udid, "SecurityInfo")
            await push_stand_in.push(tablet.device.push_token, tablet.device.push_magic)
            assert (await tablet.poll_on_push(5)).request_types == ["SecurityInfo"]

    asyncio.run(story())


def test_it_reconnects_when_the_connection_was_closed(rig: SimulatorRig) -> None:
    async def story() -> None:
        context = trust.build_tls_context(trust.parse_pem_roots(rig.ca))
        async with PushStandIn(rig.tls) as first:
            port = first.port
            push_listener = PushListener("localhost", port, context, pause=0.05)
            async with push_listener, rig.create_tablet(push_listener=push_listener) as tablet:
                await tablet.enrol()
                await first.push(tablet.device.push_token, "x")
                await first.__aexit__(None, None, None)
                async with PushStandIn(rig.tls, port) as second:
                    await second.push(tablet.device.push_token, tablet.device.push_magic)
                    await asyncio.wait_for(tablet.push_received.wait(), 5)

    asyncio.run(story())


def test_the_loop_polls_on_pushes_and_again_after_not_now(rig: SimulatorRig) -> None:
    async def story() -> None:
        context = trust.build_tls_context(trust.parse_pem_roots(rig.ca))
        async with (
            PushStandIn(rig.tls) as push_stand_in,
            PushListener("localhost", push_stand_in.port, context, pause=0.05) as push_listener,
            rig.create_tablet(push_listener=push_listener, behaviour="not_now:1") as tablet,
        ):
            await tablet.enrol()
            life = TabletLoop(tablet)
            task = asyncio.create_task(life.run())
            rig.server.enqueue(tablet.udid, "SecurityInfo")
            await push_stand_in.push(tablet.device.push_token, tablet.device.push_magic)
            seen = rig.server.tablets[tablet.udid]
            async with asyncio.timeout(5):
                while [one["Status"] for one in seen.results] != ["NotNow", "Acknowledged"]:  # noqa: ASYNC110 - nobody sets an event here
                    await asyncio.sleep(0.02)
            life.stop()
            await asyncio.wait_for(task, 5)

    asyncio.run(story())
