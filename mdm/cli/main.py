"""The command line `cartable …` of the operator (in a checkout: `python -m mdm …`). Each command calls a service in a unit of work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from importlib import import_module
from pathlib import Path
from typing import Any

from cartable import __version__
from cartable.errors import DomainError
from cartable.i18n import available_languages
from cartable.outbox import Topic
from cartable.telemetry import configure_logging


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns a process exit code."""
    parser = argparse.ArgumentParser(prog="cartable", description="Cartable: manages the tablets that a town lends.")
    parser.add_argument("--version", action="version", version=f"cartable {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (help_text, _) in COMMANDS.items():
        subparsers.add_parser(name, help=help_text)
    _add_arguments(subparsers.choices)
    parsed = parser.parse_args(arguments)
    configure_logging(json=False, level="warning")  # a process configures it again by its settings
    try:
        return COMMANDS[parsed.command][1](parsed)
    except DomainError as error:
        print(" / ".join(error.translate(language) for language in available_languages()), file=sys.stderr)
        return 1


def _add_arguments(choices: dict[str, argparse.ArgumentParser]) -> None:
    choices["up"].add_argument("--empty", action="store_true", help="without the demo town and its simulated tablets")
    choices["simulate"].add_argument("--count", type=int, default=30)
    choices["simulate"].add_argument(
        "--behaviour", default="normal", metavar="NAME[:NUMBER]", help="how they misbehave; `mix`: like a class in the field"
    )
    choices["simulate"].add_argument("--town", metavar="SLUG", help="short name of the town; without it the first by name")
    choices["worker"].add_argument(
        "--kinds", default="", help="only these kinds of work, separated by commas, such as pushes,urgent_pushes"
    )
    choices["push-csr"].add_argument("--email", required=True)
    sign = choices["push-vendor-sign"]
    for name in ("--csr", "--vendor-chain", "--vendor-key"):
        sign.add_argument(name, type=Path, required=True)
    push_import = choices["push-import"]
    push_import.add_argument("certificate", type=Path)
    push_import.add_argument("--key", type=Path)
    push_import.add_argument("--force", action="store_true")
    choices["push-revive"].add_argument(
        "--since", type=_parse_day, required=True, metavar="DAY", help="tokens that were refused on this day (UTC) or later"
    )
    jobs = choices["jobs"].add_subparsers(dest="action", required=True, metavar="ACTION")
    jobs.add_parser("list", help="show the parked jobs and why each failed")
    retry = jobs.add_parser("retry", help="let parked jobs run again now")
    retry.add_argument("--topic", type=Topic, choices=list(Topic), help="only jobs of this topic")
    _add_place_arguments(choices)
    choices["account-link"].add_argument("login")
    choices["account-link"].add_argument("--reset-second-factors", action="store_true", help="the owner has lost them")
    _add_server_arguments(choices)
    choices["technician"].add_argument("login")
    choices["technician"].add_argument("name")


def _parse_day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)


def _add_server_arguments(choices: dict[str, argparse.ArgumentParser]) -> None:
    from mdm.cli import backups, restores, town_export
    from mdm.cli.doctor import run as doctor

    doctor.add_arguments(choices["doctor"])
    restores.add_clock_arguments(choices["clock"])
    town_export.add_arguments(choices["export-town"])
    backups.add_backup_arguments(choices["backup"])
    backups.add_restore_arguments(choices["restore"])


def _add_place_arguments(choices: dict[str, argparse.ArgumentParser]) -> None:
    from mdm.cli import admins, audit_trail, calendars, keys, policy, safeguards, schools, towns

    audit_trail.add_arguments(choices["audit"])
    keys.add_arguments(choices["keys"])
    towns.add_arguments(choices["town"])
    schools.add_arguments(choices["school"])
    admins.add_arguments(choices["admin"])
    safeguards.add_arguments(choices["stop"], choices["budget-limits"], choices["alarms"])
    calendars.add_arguments(choices["calendar"])
    policy.add_arguments(choices["policy"])


def _run_up(parsed: argparse.Namespace) -> int:
    from mdm.cli import up

    return up.main(empty=parsed.empty)


def _run_web(_parsed: argparse.Namespace) -> int:
    from mdm.cli import serve

    return serve.run_web()


def _run_worker(parsed: argparse.Namespace) -> int:
    from mdm.cli import serve
    from mdm.worker.kinds import WorkKind

    serve.run_worker([WorkKind(kind) for kind in parsed.kinds.split(",")] if parsed.kinds else tuple(WorkKind))


def _run_beat(_parsed: argparse.Namespace) -> int:
    from mdm.cli import serve
    from mdm.worker.kinds import WorkKind

    serve.run_worker([WorkKind.SCHEDULE])


def _migrate(_parsed: argparse.Namespace) -> int:
    from cartable.migrate import upgrade
    from cartable.settings import Settings
    from mdm.composition import compose

    upgrade(compose(Settings()).engine)
    return 0


def _simulate(parsed: argparse.Namespace) -> int:
    from mdm.cli.demo_fleet import run_simulator

    return run_simulator(parsed.count, parsed.town, parsed.behaviour)


def _import(place: str) -> Callable[..., Any]:
    """Return a function of this package by "module:function". Its module is imported when it is called: a command starts quickly."""

    def call(*arguments: object) -> Any:
        return find_function(place)(*arguments)

    return call


def find_function(place: str) -> Callable[..., Any]:
    """Return the function of this package that a place "module:function" names."""
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"mdm.cli.{module}"), name)
    return function


def _with_runtime(function: Callable[..., int]) -> Callable[[argparse.Namespace], int]:
    def run(parsed: argparse.Namespace) -> int:
        from cartable.settings import Settings
        from mdm.composition import compose

        return function(compose(Settings()), parsed)

    return run


def _with_unit_of_work(function: Callable[..., object]) -> Callable[[argparse.Namespace], int]:
    def run(parsed: argparse.Namespace) -> int:
        from cartable.settings import Settings
        from mdm.composition import compose

        with compose(Settings()).open_unit_of_work() as work:
            function(work, parsed)
        return 0

    return run


def _create_csr(work: object, parsed: argparse.Namespace) -> None:
    from cartable.scope import SYSTEM
    from mdm.push.requests import create_request

    print(create_request(work, SYSTEM, parsed.email).request)  # type: ignore[arg-type]


def _import_certificate(work: object, parsed: argparse.Namespace) -> None:
    from cartable.scope import SYSTEM
    from mdm.push.certificates import import_certificate

    key = parsed.key.read_bytes() if parsed.key else None
    row = import_certificate(work, SYSTEM, parsed.certificate.read_bytes(), key, force=parsed.force)  # type: ignore[arg-type]
    print(f"{row.topic} until {row.not_after:%Y-%m-%d}")


def _resume_push(work: object, _parsed: argparse.Namespace) -> None:
    from cartable.scope import SYSTEM
    from mdm.push.sender_state import resume_by_person

    resume_by_person(work, SYSTEM)  # type: ignore[arg-type]


def _revive_tokens(work: object, parsed: argparse.Namespace) -> None:
    from cartable.scope import SYSTEM
    from mdm.push.sender_state import revive_tokens

    print(revive_tokens(work, SYSTEM, parsed.since))  # type: ignore[arg-type]


def _create_account_link(work: object, parsed: argparse.Namespace) -> None:
    from mdm.accounts.links import create_link_for_login

    link = create_link_for_login(work, parsed.login, reset_second_factors=parsed.reset_second_factors)  # type: ignore[arg-type]
    print(f"{link.url}\n{link.expires_at:%Y-%m-%d %H:%M} UTC")


def _create_technician(work: object, parsed: argparse.Namespace) -> None:
    from mdm.accounts.service import create_shared_technician

    print(create_shared_technician(work, parsed.login, parsed.name))  # type: ignore[arg-type]


def _sign_csr(parsed: argparse.Namespace) -> int:
    from mdm.push.requests import sign_as_vendor

    signed = sign_as_vendor(parsed.csr.read_bytes(), parsed.vendor_chain.read_bytes(), parsed.vendor_key.read_bytes())
    print(signed.decode())
    return 0


COMMANDS: dict[str, tuple[str, Callable[[argparse.Namespace], int]]] = {
    "up": ("everything on this machine, with a demo town unless --empty (make run)", _run_up),
    "serve": ("the web server alone", _run_web),
    "worker": ("a worker, with a broker; any number of them", _run_worker),
    "beat": ("a worker for the schedule alone; the others do it too", _run_beat),
    "migrate": ("bring the database to the newest migration", _migrate),
    "doctor": ("check everything that the server needs, and say what to do", _import("doctor.run:run")),
    "backup": ("write database and data folder to one encrypted archive, and read it back", _import("backups:run_backup")),
    "restore": ("restore an archive into an empty place", _import("backups:run_restore")),
    "export-town": (
        "write everything that is stored of a town to a readable archive",
        _with_unit_of_work(_import("town_export:run")),
    ),
    "restores": (
        "list the restores that were noticed, and the tablets from after the backup",
        _with_unit_of_work(_import("restores:list_restores")),
    ),
    "clock": ("show whether the clock is believed, or say that it is right", _with_unit_of_work(_import("restores:run_clock"))),
    "simulate": ("let simulated tablets enrol with the running server", _simulate),
    "jobs": ("list jobs that failed too often, or let them run again", _with_runtime(_import("jobs:run"))),
    "audit": ("verify or export the audit trail, write its anchors", _with_runtime(_import("audit_trail:run"))),
    "keys": ("show or rotate the master key", _with_runtime(_import("keys:run"))),
    "push-csr": ("make a request for the push certificate", _with_unit_of_work(_create_csr)),
    "push-vendor-sign": ("sign a request as the MDM vendor", _sign_csr),
    "push-import": ("install the push certificate that Apple's portal gave", _with_unit_of_work(_import_certificate)),
    "push-resume": (
        "let the stopped sender of pushes test itself now, and believe for an hour that refused tokens are dead",
        _with_unit_of_work(_resume_push),
    ),
    "push-revive": ("let pushes go again to tokens that were refused since a day", _with_unit_of_work(_revive_tokens)),
    "town": (
        "create towns, list them, change their zones, phone and message for lost tablets",
        _with_unit_of_work(_import("towns:run")),
    ),
    "admin": (
        "create an administrator of a town, or an operator; prints a link that works once",
        _with_unit_of_work(_import("admins:run")),
    ),
    "school": ("add schools to a town one by one or by a list, rename, close", _with_unit_of_work(_import("schools:run"))),
    "calendar": ("import the ministry's calendar of school holidays", _with_unit_of_work(_import("calendars:run"))),
    "policy": (
        "export the policy of a town as a file, show what a file would change, or apply it",
        _with_unit_of_work(_import("policy:run")),
    ),
    "technician": (
        "enter a technician whom several towns call by missions; prints the one-time password",
        _with_unit_of_work(_create_technician),
    ),
    "account-link": (
        "make a link by which the owner of an account chooses a password; a former password is void",
        _with_unit_of_work(_create_account_link),
    ),
    "stop": (
        "stop everything that cannot be taken back, in one town or all; two people release it",
        _with_unit_of_work(_import("safeguards:run_stop")),
    ),
    "alarms": (
        "list the alarms that nobody has acknowledged, or acknowledge one",
        _with_unit_of_work(_import("safeguards:run_alarms")),
    ),
    "budget-limits": (
        "set how many tablets one person and one town may destroy in an hour and a day without a second person",
        _with_unit_of_work(_import("safeguards:run_budget_limits")),
    ),
}
