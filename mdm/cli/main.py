"""The command line `cartable …` of the operator (in a checkout: `python -m mdm …`). Each command calls a service in a unit of work.

A command is a module of this package. Only the module of the command that runs is imported, so that each starts quickly.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cartable import __version__
from cartable.errors import DomainError
from cartable.i18n import list_available_languages
from cartable.telemetry import configure_logging

#: The exit code of a program that Ctrl+C stopped, as shells count it.
_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class CliCommand:
    """A command: its help, and the functions of this package, as "module:function", that run it and add its arguments."""

    help: str
    run: str
    arguments: str | None = None
    call: Callable[[Callable[..., Any], argparse.Namespace], int] = lambda function, parsed: int(function(parsed))


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns a process exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="cartable", description="Cartable: manages the tablets that a town lends.")
    parser.add_argument("--version", action="version", version=f"cartable {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = subparsers.add_parser(name, help=command.help)
        if command.arguments is not None and name in words[:1]:
            find_function(command.arguments)(added)
    parsed = parser.parse_args(words)
    configure_logging(json=False, level="warning")  # a process configures it again by its settings
    chosen = COMMANDS[parsed.command]
    try:
        return chosen.call(find_function(chosen.run), parsed)
    except DomainError as error:
        print(" / ".join(error.translate(language) for language in list_available_languages()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # Ctrl+C is how a person stops a server, and no error
        print("\nArrêté. / Stopped.", file=sys.stderr)
        return _INTERRUPTED


def find_function(place: str) -> Callable[..., Any]:
    """Return the function of this package that a place "module:function" names."""
    module, _, name = place.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"mdm.cli.{module}"), name)
    return function


def _call_with_runtime(function: Callable[..., Any], parsed: argparse.Namespace) -> int:
    from cartable.settings import Settings
    from mdm.composition import compose

    return int(function(compose(Settings()), parsed))


def _call_in_unit_of_work(function: Callable[..., Any], parsed: argparse.Namespace) -> int:
    from cartable.settings import Settings
    from mdm.composition import compose

    with compose(Settings()).open_unit_of_work() as work:
        function(work, parsed)
    return 0


COMMANDS: dict[str, CliCommand] = {
    "up": CliCommand("everything on this machine, with a demo town unless --empty (make run)", "up:run", "up:add_arguments"),
    "serve": CliCommand("the web server alone", "serve:run", "serve:add_arguments"),
    "worker": CliCommand("a worker, with a broker; any number of them", "worker:run", "worker:add_arguments"),
    "beat": CliCommand("a worker for the schedule alone; the others do it too", "worker:run_schedule"),
    "resolver": CliCommand("keep the town's DNS resolver running, which filters the web", "resolver:run"),
    "signer": CliCommand("keep the key of the device CA in a process of its own, and sign with it", "signer:run"),
    "migrate": CliCommand("bring the database to the newest migration", "migrate:run", "migrate:add_arguments"),
    "ready": CliCommand(
        "ask the server of this machine whether it can serve; for health checks", "ready:run", "ready:add_arguments"
    ),
    "doctor": CliCommand(
        "check everything that the server needs, and say what to do", "doctor.run:run", "doctor.run:add_arguments"
    ),
    "backup": CliCommand(
        "write database and data folder to one encrypted archive, and read it back",
        "backups:run_backup",
        "backups:add_backup_arguments",
    ),
    "restore": CliCommand("restore an archive into an empty place", "backups:run_restore", "backups:add_restore_arguments"),
    "export-town": CliCommand(
        "write everything that is stored of a town to an archive: readable, or sealed for another server",
        "town_export:run",
        "town_export:add_arguments",
        _call_with_runtime,
    ),
    "import-town": CliCommand(
        "take a town from the archive that another server wrote",
        "town_import:run",
        "town_import:add_arguments",
        _call_with_runtime,
    ),
    "remove-town": CliCommand(
        "delete a town that lives on another server now",
        "town_removal:run",
        "town_removal:add_arguments",
        _call_with_runtime,
    ),
    "restores": CliCommand(
        "list the restores that were noticed, and the tablets from after the backup",
        "restores:list_restores",
        call=_call_in_unit_of_work,
    ),
    "clock": CliCommand(
        "show whether the clock is trusted, or say that it is right",
        "restores:run_clock",
        "restores:add_clock_arguments",
        _call_in_unit_of_work,
    ),
    "simulate": CliCommand("let simulated tablets enrol with the running server", "demo_fleet:run", "demo_fleet:add_arguments"),
    "jobs": CliCommand(
        "list jobs that failed too often, or let them run again", "jobs:run", "jobs:add_arguments", _call_with_runtime
    ),
    "audit": CliCommand(
        "verify or export the audit trail, write its anchors",
        "audit_trail:run",
        "audit_trail:add_arguments",
        _call_with_runtime,
    ),
    "keys": CliCommand(
        "show or rotate the master key, or move the device CA's key to the signer",
        "keys:run",
        "keys:add_arguments",
        _call_with_runtime,
    ),
    "push-csr": CliCommand(
        "make a request for the push certificate", "push:create_csr", "push:add_csr_arguments", _call_in_unit_of_work
    ),
    "push-vendor-sign": CliCommand("sign a request as the MDM vendor", "push:sign_csr", "push:add_signing_arguments"),
    "push-import": CliCommand(
        "install the push certificate that Apple's portal gave",
        "push:import_certificate",
        "push:add_import_arguments",
        _call_in_unit_of_work,
    ),
    "push-resume": CliCommand(
        "let the stopped sender of pushes test itself now, and take refused tokens as invalid for an hour",
        "push:resume_sender",
        call=_call_in_unit_of_work,
    ),
    "push-revive": CliCommand(
        "let pushes go again to tokens that were refused since a day",
        "push:revive_tokens",
        "push:add_revive_arguments",
        _call_in_unit_of_work,
    ),
    "town": CliCommand(
        "create towns, list them, change their zones, phone and message for lost tablets",
        "towns:run",
        "towns:add_arguments",
        _call_in_unit_of_work,
    ),
    "admin": CliCommand(
        "create an administrator of a town, or an operator; prints a link that works once",
        "admins:run",
        "admins:add_arguments",
        _call_in_unit_of_work,
    ),
    "provider": CliCommand(
        "enter the identity providers of a town, and the roles that their groups give",
        "identity_providers:run",
        "identity_providers:add_arguments",
        _call_in_unit_of_work,
    ),
    "mission": CliCommand(
        "call a technician of several towns to one of them for some days",
        "missions:run",
        "missions:add_arguments",
        _call_in_unit_of_work,
    ),
    "school": CliCommand(
        "add schools to a town one by one or by a list, rename, close",
        "schools:run",
        "schools:add_arguments",
        _call_in_unit_of_work,
    ),
    "colleague": CliCommand(
        "invite a colleague to a role in a town; prints a link that works once",
        "colleagues:run",
        "colleagues:add_arguments",
        _call_in_unit_of_work,
    ),
    "roster": CliCommand(
        "show what a roster file would change, and write it once confirmed",
        "rosters:run",
        "rosters:add_arguments",
        _call_with_runtime,
    ),
    "staff": CliCommand("enter adults of a school, and list them", "staff:run", "staff:add_arguments", _call_in_unit_of_work),
    "tablet": CliCommand(
        "make an invitation by which tablets enroll", "tablets:run", "tablets:add_arguments", _call_in_unit_of_work
    ),
    "calendar": CliCommand(
        "import the ministry's calendar of school holidays", "calendars:run", "calendars:add_arguments", _call_in_unit_of_work
    ),
    "policy": CliCommand(
        "export the policy of a town as a file, show what a file would change, or apply it",
        "policy:run",
        "policy:add_arguments",
        _call_in_unit_of_work,
    ),
    "technician": CliCommand(
        "enter a technician whom several towns call by missions; prints the one-time password",
        "account_links:create_technician",
        "account_links:add_technician_arguments",
        _call_in_unit_of_work,
    ),
    "account-link": CliCommand(
        "make a link by which the owner of an account chooses a password; a former password is void",
        "account_links:create_link",
        "account_links:add_link_arguments",
        _call_in_unit_of_work,
    ),
    "stop": CliCommand(
        "stop everything that cannot be taken back, in one town or all; two people release it",
        "safeguards:run_stop",
        "safeguards:add_stop_arguments",
        _call_in_unit_of_work,
    ),
    "alarms": CliCommand(
        "list the alarms that nobody has acknowledged, or acknowledge one",
        "safeguards:run_alarms",
        "safeguards:add_alarm_arguments",
        _call_in_unit_of_work,
    ),
    "budget-limits": CliCommand(
        "set how many tablets one person and one town may destroy in an hour and a day without a second person",
        "safeguards:run_budget_limits",
        "safeguards:add_limit_arguments",
        _call_in_unit_of_work,
    ),
}
