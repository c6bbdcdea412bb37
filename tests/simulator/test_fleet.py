"""Many tablets at once, and the same ones again from their file; from the command line too."""

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


def test_a_class_enrols_lives_and_comes_back(rig: SimulatorRig, tmp_path: Path) -> None:
    file = tmp_path / "state" / "fleet.json"
    store = AppStore(install_seconds=0)
    options = {"ca": rig.ca, "keys": rig.keys, "pace": 0.01, "state_file": file, "store": store, "seed": str(tmp_path)}

    async def first() -> list[str]:
        fleet = Fleet(FleetPlan(rig.url, ["WELCOME", "EXPIRED"], 6, **options))  # type: ignore[arg-type]
        await fleet.enrol_all()
        one = fleet.tablets[0]
        for name, arguments in (("EnableLostMode", {"Message": "x"}), ("InstallApplication", {"Identifier": "a.b"})):
            rig.server.enqueue(one.udid, name, **arguments)
        rig.server.enqueue(one.udid, "InstallProfile", Payload=rig.server.sign_profile(build_profile("floor")))
        await fleet.run(0.5)
        await fleet.close()
        assert fleet.tally.enrolled == 3
        assert fleet.tally.failures.total() == 3
        assert fleet.tally.commands.total() == 3
        assert "EnableLostMode Acknowledged" in fleet.tally.format_summary()
        return [one.serial for one in fleet.tablets]

    async def second() -> list[str]:
        fleet = Fleet(FleetPlan(rig.url, ["WELCOME"], 6, **options))  # type: ignore[arg-type]
        one = fleet.tablets[0]
        assert one.lost_mode is not None
        assert one.profiles["floor"].signers
        assert one.apps == {"a.b": "Managed"}
        fingerprint = one.identity.fingerprint
        await fleet.enrol_all()
        await fleet.poll_all()
        await fleet.close()
        seen = rig.server.tablets[one.udid]
        assert fleet.tally.restored == 3
        assert fleet.tally.endings == {"done": 3}
        assert seen.message_types == ["Authenticate", "TokenUpdate"]
        assert set(seen.fingerprints) == {fingerprint}
        return [one.serial for one in fleet.tablets]

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
    done = run_simulator(*common, "--count", "3", "--for", "0.5", "--behaviour", "mix", "--pace", "0.05")
    assert done.returncode == 0, done.stderr
    assert "3 enrolled now, 0 failed" in done.stdout
    refused = run_simulator(*common[:4], "--code", "NOBODY")
    assert refused.returncode == 1
    assert "UnexpectedResponse: the enrolment profile: HTTP 404" in refused.stdout
    wrong = run_simulator(*common, "--behaviour", "nonsense")
    assert wrong.returncode == 2
    assert "unknown behaviour 'nonsense'" in wrong.stderr
