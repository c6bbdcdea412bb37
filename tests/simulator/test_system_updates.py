"""When a simulated tablet installs an update of its system, and which declarations it obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.device import DeviceState
from simulator.hardware import Hardware
from simulator.status import build_status_items
from simulator.system_updates import find_pending_update, install_due_update, read_update

DEADLINE = datetime(2027, 1, 29, 19, 0)  # noqa: DTZ001 - by the clock of the tablet


def create_device(**update: str) -> DeviceState:
    """Return a tablet with 26.1 and one declaration, an hour before the deadline in Paris."""
    device = DeviceState(replace(Hardware.from_seed("updates"), os_version="26.1"))
    device.clock.read = lambda: datetime(2027, 1, 29, 17, 0, tzinfo=UTC)
    asked = {"TargetOSVersion": "26.2", "TargetLocalDateTime": DEADLINE.isoformat(), **update}
    device.declarations["applied"] = {"configuration/update": {"token": "t", "update": read_update(asked)}}
    return device


def test_it_is_prepared_before_and_installed_at_the_local_deadline_with_a_restart() -> None:
    device = create_device()
    assert not install_due_update(device)
    assert build_status_items(device)["softwareupdate"] == {
        "install-state": "prepared",
        "pending-version": {"os-version": "26.2", "target-local-date-time": "2027-01-29T19:00:00"},
    }
    device.clock.offset = timedelta(hours=1)
    assert install_due_update(device)
    assert device.hardware.os_version == "26.2"
    assert not device.unlocked
    assert build_status_items(device)["softwareupdate"] == {"install-state": "none", "pending-version": {}}
    assert not install_due_update(device)


@pytest.mark.parametrize("version", ["26.0", "26.1", "26.1.0", "99.1"])
def test_a_version_that_is_not_newer_or_not_offered_is_without_effect(version: str) -> None:
    device = create_device(TargetOSVersion=version)
    device.offered_systems["26.0"] = device.offered_systems["26.1.0"] = "23A1"
    device.clock.offset = timedelta(days=9)
    assert find_pending_update(device) is None
    assert not install_due_update(device)


@pytest.mark.parametrize(
    "wrong",
    [{"TargetLocalDateTime": "2027-01-29T19:00:00+01:00"}, {"TargetLocalDateTime": "2027-01-29"}, {"TargetOSVersion": "new"}, {}],
)
def test_a_declaration_without_version_or_local_time_is_invalid(wrong: dict[str, Any]) -> None:
    complete = {"TargetOSVersion": "26.2", "TargetLocalDateTime": DEADLINE.isoformat()}
    assert read_update(complete) is not None
    assert read_update({**complete, **wrong} if wrong else {}) is None
