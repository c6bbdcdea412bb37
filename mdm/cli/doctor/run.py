"""Runs the checks of `cartable doctor` in an order in which the first finding explains the later ones."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from cartable.master_keys import MasterKeyMissing
from cartable.unit_of_work import Runtime
from mdm.cli import preflight
from mdm.cli.doctor import certificates, environment, history, resolver, signer, storage
from mdm.cli.doctor.diagnosis import Diagnosis, Health, failed, get_exit_code, good, render_json, render_text
from mdm.composition import compose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable doctor`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.add_argument("--network", action="store_true", help="connect to Apple's push service and to the public address too")


def run(parsed: argparse.Namespace) -> int:
    """Print what was found. Returns 0 when all is good, 1 for warnings, 2 when something failed."""
    diagnoses = list(diagnose(network=parsed.network))
    print(render_json(diagnoses) if parsed.json else render_text(diagnoses))
    return get_exit_code(diagnoses)


def diagnose(*, network: bool = False) -> Iterator[Diagnosis]:
    """Yield the findings of every check that can be made. Without settings or keys nothing further is checked."""
    try:
        settings = preflight.read_settings()
    except preflight.CannotStart as error:
        yield failed("settings", str(error), "See docs/operator/settings.md.")
        return
    yield from environment.check_settings(settings)
    yield from environment.check_time_zones()
    if not settings.data_dir.exists():
        yield failed(
            "data folder",
            f"{settings.data_dir.absolute()} does not exist",
            "Is CARTABLE_DATA_DIR right? It is made at the first start.",
        )
        return
    yield from storage.check_folder(settings)
    try:
        runtime = compose(settings)
        yield good("master key", "there")
    except MasterKeyMissing as error:
        yield failed("master key", str(error), "Restore it from your backup: docs/operator/backup.md.")
        return
    yield from _check_database(runtime, network=network)
    yield from environment.check_broker(settings)
    yield from resolver.check_mirror(settings)
    if network:
        yield from environment.check_network(settings)


def _check_database(runtime: Runtime, *, network: bool) -> Iterator[Diagnosis]:
    try:
        of_database = list(storage.check_database(runtime))
        yield from of_database
        if any(each.health is Health.FAILED and each.check in {"database", "migrations"} for each in of_database):
            return
        with runtime.open_unit_of_work() as work:
            yield from environment.check_clock(work)
            yield from certificates.check_certificates(work)
            yield from signer.check_signer(work)
            yield from resolver.check_resolver(work)
            yield from history.check_history(work)
        if network:
            yield from environment.check_town_hosts(runtime)
    finally:
        runtime.engine.dispose()
