"""The built wheel in an empty environment, by the command line alone: a town, its school, its administrator, and one tablet that enrols."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import httpx
import pytest

from cartable import __version__
from tests.support.server import find_free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and nothing of the checkout. The dependencies are those of the running one: no network here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("cartable", "enrollment", "profiles", "mdm", "simulator", "migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source], check=True, timeout=100
    )
    (wheel,) = folder.glob("*.whl")
    made = folder / "environment"
    venv.create(made, with_pip=False)
    subprocess.run(
        [*pip, f"--python={made / 'bin' / 'python'}", "install", "--no-index", "--no-deps", wheel], check=True, timeout=100
    )
    packages = next(made.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return made


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> dict[str, str]:
    """The environment variables of an installation in an empty folder."""
    return {
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CARTABLE_DATA_DIR": str(tmp_path / "data"),
        "CARTABLE_PUBLIC_URL": f"https://localhost:{(port := find_free_port())}",
        "CARTABLE_BIND_HOST": "127.0.0.1",
        "CARTABLE_BIND_PORT": str(port),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }


def _run(installed: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=installed, cwd=installed["HOME"], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_knows_its_version(installed: dict[str, str]) -> None:
    assert _run(installed, "cartable", "--version").strip() == f"cartable {__version__}"


@pytest.mark.timeout(180)
def test_migrate_serve_and_enrol_a_tablet(installed: dict[str, str]) -> None:
    _run(installed, "cartable", "migrate")
    log = Path(installed["HOME"]) / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(["cartable", "serve"], env=installed, cwd=installed["HOME"], stdout=output, stderr=output)
    try:
        _wait_until_ready(installed["CARTABLE_PUBLIC_URL"], server, log)
        _run(installed, "cartable", "town", "create", "Essai", "--zone", "B", "--phone", "01 23 45 67 89")
        _run(installed, "cartable", "school", "add", "essai", "0922999K", "École Jules-Verne")
        link = _run(installed, "cartable", "admin", "create", "--town", "essai", "claire", "Claire Morel").splitlines()[0]
        chosen = httpx.post(
            link, data={"password": "a sentence of my own"}, headers={"Origin": installed["CARTABLE_PUBLIC_URL"]}, verify=False
        )
        assert chosen.status_code == 303, chosen.text
        _run(installed, "cartable", "simulate", "--count", "1", "--town", "essai")
        enrolled = "from sqlalchemy import text; from cartable.settings import Settings; from mdm.composition import compose\n"
        enrolled += "with compose(Settings()).engine.connect() as c: print(c.scalar(text('select state from device_enrollment')))"
        assert _run(installed, "python", "-c", enrolled).strip() == "enrolled"
        page = httpx.get(f"{installed['CARTABLE_PUBLIC_URL']}/", verify=False, follow_redirects=True)
        assert page.status_code == 200
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/healthz", verify=False, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())
