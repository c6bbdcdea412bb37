"""A fleet of tablets: enrolling, running, restoring from the state file, and the command line."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import AppStore
from simulator.errors import SimulatorError
from simulator.fleet import Fleet, FleetPlan
from tests.simulator.conftest import SimulatorRig
from tests.simulator.reference import build_profile


def test_a_fleet_enrols_runs_and_is_restored_from_its_file(rig: SimulatorRig, tmp_path: Path) -> None:
    file = tmp_path / "state" / "fleet.json"
    store = AppStore(install_seconds=0)
    options = {"ca": rig.ca, "keys": rig.keys, "pace": 0.01, "state_file": file, "store": store, "seed": str(tmp_path)}

    async def first() -> list[str]:
        fleet = Fleet(FleetPlan(rig.url, ["WELCOME", "EXPIRED"], 6, **options))  # type: ignore[arg-type]
        await fleet.enrol_all()
        tablet = fleet.tablets[0]
        for name, arguments in (("EnableLostMode", {"Message": "x"}), ("InstallApplication", {"Identifier": "a.b"})):
            rig.server.enqueue(tablet.udid, name, **arguments)
        rig.server.enqueue(tablet.udid, "InstallProfile", Payload=rig.server.sign_profile(build_profile("floor")))
        await fleet.run(0.5)
        await fleet.close()
        assert fleet.tally.enrolled == 3
        assert fleet.tally.failures.total() == 3
        assert fleet.tally.commands.total() == 3
        assert "EnableLostMode Acknowledged" in fleet.tally.format_summary()
        return [tablet.serial for tablet in fleet.tablets]

    async def second() -> list[str]:
        fleet = Fleet(FleetPlan(rig.url, ["WELCOME"], 6, **options))  # type: ignore[arg-type]
        tablet = fleet.tablets[0]
        assert tablet.lost_mode is not None
        assert tablet.profiles["floor"].signers
        assert tablet.apps == {"a.b": "Managed"}
        fingerprint = tablet.identity.fingerprint
        await fleet.enrol_all()
        await fleet.poll_all()
        await fleet.close()
        recorded = rig.server.tablets[tablet.udid]
        assert fleet.tally.restored == 3
        assert fleet.tally.endings == {"done": 3}
        assert recorded.message_types == ["Authenticate", "TokenUpdate"]
        assert set(recorded.fingerprints) == {fingerprint}
        return [tablet.serial for tablet in fleet.tablets]

    assert asyncio.run(first()) == asyncio.run(second())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{}")
    with pytest.raises(SimulatorError, match="no state"):
        Fleet(FleetPlan(rig.url, ["WELCOME"], 1, **options))  # type: ignore[arg-type]


def run_simulator(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "simulator", *words], capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line(rig: SimulatorRig, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(rig.ca)
    codes = tmp_path / "codes"
    codes.write_text("# class\nWELCOME\n\n")
    common = ("--url", rig.url, "--ca", str(ca), "--codes-file", str(codes), "--reuse-keys", "1", "--seed", str(tmp_path))
    completed = run_simulator(*common, "--count", "3", "--for", "0.5", "--behaviour", "mix", "--pace", "0.05")
    assert completed.returncode == 0, completed.stderr
    assert "3 enrolled now, 0 failed" in completed.stdout
    refused = run_simulator(*common[:4], "--code", "NOBODY")
    assert refused.returncode == 1
    assert "UnexpectedResponse: the enrolment profile: HTTP 404" in refused.stdout
    invalid = run_simulator(*common, "--behaviour", "nonsense")
    assert invalid.returncode == 2
    assert "unknown behaviour 'nonsense'" in invalid.stderr
