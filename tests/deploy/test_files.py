"""The files of `deploy/` name commands, settings, metrics and runbooks that exist, and let no secret into an image."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from cartable.alarms import AlarmKind
from cartable.setting_names import list_unknown_settings
from mdm.cli.main import COMMANDS, find_function
from mdm.worker.kinds import WorkKind
from tests.deploy.compose_file import ROOT, load_services

DEPLOY = ROOT / "deploy"
OPERATOR = ROOT / "docs" / "operator"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def _parse_command(words: list[str]) -> argparse.Namespace:
    """The arguments of `python -m mdm …`, as the program reads them. Exits for one that it does not know."""
    command = COMMANDS[words[0]]
    parser = argparse.ArgumentParser()
    if command.arguments is not None:
        find_function(command.arguments)(parser)
    return parser.parse_args(words[1:])


def _load_manifests() -> list[dict[str, Any]]:
    return [
        manifest for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for manifest in yaml.safe_load_all(file.read_text())
    ]


def _list_commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in load_services().items():
        if service.get("image", "").startswith("cartable"):
            yield f"compose {name}", [str(word) for word in service["command"]]
    for manifest in _load_manifests():
        for container in manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            yield f"kubernetes {manifest['metadata']['name']}", container["args"]
    for unit in UNITS:
        for line in re.findall(r"^Exec\w+=(.*)$", unit.read_text(), re.MULTILINE):
            yield f"systemd {unit.name}", line.replace("%i", "schedule").split(" -m mdm ")[1].split()
    image = (ROOT / "Dockerfile").read_text()
    yield "Dockerfile", yaml.safe_load(re.findall(r"^CMD (.*)$", image, re.MULTILINE)[-1])


@pytest.mark.parametrize(("place", "words"), list(_list_commands()))
def test_every_command_is_one_of_the_program(place: str, words: list[str]) -> None:
    _parse_command(words)


@pytest.mark.parametrize("kind", ["compose", "kubernetes"])
def test_every_kind_of_work_has_a_worker(kind: str) -> None:
    workers = [words for place, words in _list_commands() if place.startswith(kind) and words[0] == "worker"]
    assert sorted(name for words in workers for name in _parse_command(words).kinds.split(",")) == sorted(WorkKind)


def test_the_target_starts_every_kind_of_work() -> None:
    target = (DEPLOY / "systemd" / "cartable.target").read_text()
    assert sorted(name for kinds in re.findall(r"worker@([\w:]+)", target) for name in kinds.split(":")) == sorted(WorkKind)


def test_every_setting_exists() -> None:
    texts = [
        path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.suffix in {".yaml", ".service", ".example"}
    ]
    names = {name for text in [*texts, (ROOT / "Dockerfile").read_text()] for name in re.findall(r"CARTABLE_[A-Z_]+", text)}
    # These are the compose file's own, for Caddy and for the name of the image.
    own = {"CARTABLE_HOST", "CARTABLE_SITE", "CARTABLE_TLS", "CARTABLE_UPSTREAMS", "CARTABLE_VERSION", "CARTABLE_ASK",
           "CARTABLE_TOWN_SITES", "CARTABLE_TOWN_TLS"}  # fmt: skip
    assert list_unknown_settings(dict.fromkeys(names - own, "")) == []


def test_nothing_enters_the_image_that_is_not_named() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    named = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert named == {"LICENSE", "alembic.ini", "pyproject.toml", "requirements.lock", "cartable", "enrollment", "mdm", "migrations",
                     "profiles", "simulator"}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_run_without_rights(unit: Path) -> None:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    service = parser["Service"]
    user = "cartable-signer" if unit.stem == "cartable-signer" else "cartable"  # its files are closed to the other processes
    assert (service["User"], service["NoNewPrivileges"], service["ProtectSystem"]) == (user, "yes", "strict")


def test_pods_run_without_rights() -> None:
    for manifest in _load_manifests():
        pod = manifest.get("spec", {}).get("template", {}).get("spec")
        if pod is not None:
            assert pod["securityContext"]["runAsNonRoot"]
            for container in pod["containers"]:
                context = container["securityContext"]
                assert context["readOnlyRootFilesystem"]
                assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_list_of_manifests_is_complete() -> None:
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")


def test_alert_rules_use_metrics_that_exist_and_lead_to_a_runbook() -> None:
    source = (ROOT / "mdm" / "api" / "system" / "metrics.py").read_text()
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    for rule in rules:
        for metric in re.findall(r"cartable_\w+", rule["expr"]):
            assert f'"{metric}"' in source, metric
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = _list_anchors((OPERATOR / page).read_text())
        assert not anchor or anchor in headings, rule["annotations"]["runbook"]


def test_every_alarm_has_a_runbook() -> None:
    assert _list_anchors((ROOT / "docs/operator/alarms.md").read_text()) >= {kind.value for kind in AlarmKind}


def _list_anchors(page: str) -> set[str]:
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
