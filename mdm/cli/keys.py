"""`cartable keys`: shows the state of the master key, rotates it, forgets the previous one, moves the key of the device CA."""

from __future__ import annotations

import argparse
import sys
import time

from cartable import audit
from cartable.master_keys import KeyFolder
from cartable.resealing import ResealProgress, count_sealed, list_sealed_columns, reseal
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.cli.moving_authority import move_authority_keys
from mdm.tables import metadata

#: Every process seals with the new key after this time.
SETTLING_SECONDS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("status", help="show how many values each key has sealed")
    actions.add_parser("rotate", help="make a new master key and seal everything anew; goes on where it was stopped")
    actions.add_parser("move-ca", help="move the key of the device CA from the database to the files of `cartable signer`")
    actions.add_parser("forget", help="delete the previous key, when nothing is sealed with it any more")


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Run one action. Returns the exit code: 3 when values are left that the current key has not sealed."""
    match parsed.action:
        case "status":
            return show_status(runtime)
        case "rotate":
            return rotate_keys(runtime)
        case "move-ca":
            return move_authority_keys(runtime)
        case _:
            return forget_previous_key(runtime)


def show_status(runtime: Runtime) -> int:
    """Print the keys and how many values each has sealed. Returns the exit code."""
    folder = KeyFolder(runtime.settings)
    print(f"current key: {folder.current} ({runtime.keyring.current_prefix.hex()})")
    print(f"previous key: {folder.previous}" if folder.previous.exists() else "no previous key")
    with runtime.open_unit_of_work() as work:
        counts = [count_sealed(work, sealed) for sealed in list_sealed_columns(metadata)]
    left = sum(count.other for count in counts)
    for count in counts:
        if count.other:
            print(f"  {count.name}: {count.other} of {count.current + count.other} not sealed with the current key")
    print(f"{sum(count.current for count in counts)} values sealed with the current key, {left} with another one")
    return 3 if left else 0


def rotate_keys(runtime: Runtime) -> int:
    """Begin a rotation, or go on with one, and seal everything anew. Returns the exit code."""
    folder = KeyFolder(runtime.settings)
    try:
        has_begun = folder.begin_rotation()
    except PermissionError as error:
        print(
            f"{error.filename} cannot be written. Put the former key there as {folder.previous.name} and as {folder.hashing.name} (if "
            f"there is none), and a new key as {folder.current.name}; then run this command again.",
            file=sys.stderr,
        )
        return 1
    runtime.keyring.reload_keys()
    if has_begun:
        with runtime.open_unit_of_work() as work:
            audit.record_event(work, SYSTEM, "keys.rotate", "server", "master key", town_id=None)
    else:
        print("a rotation is under way, or its previous key was not forgotten: no new key is made")
    progress = ResealProgress()
    for progress in reseal(runtime, metadata):
        print(f"\r{progress.resealed} values sealed anew", end="", flush=True)
    print(f"\r{progress.resealed} values sealed anew, {progress.unreadable} cannot be opened by any key")
    return show_status(runtime)


def forget_previous_key(runtime: Runtime) -> int:
    """Delete the previous key unless a value still needs it. Returns the exit code."""
    folder = KeyFolder(runtime.settings)
    if not folder.previous.exists():
        print("no previous key")
        return 0
    if time.time() - folder.current.stat().st_mtime < SETTLING_SECONDS:
        print("the rotation has just begun: a process may still use the previous key. Try again in a minute", file=sys.stderr)
        return 3
    with runtime.open_unit_of_work() as work:
        left = sum(count_sealed(work, sealed).other for sealed in list_sealed_columns(metadata))
    if left:
        print(f"{left} values are not sealed with the current key: run `cartable keys rotate` again", file=sys.stderr)
        return 3
    with runtime.open_unit_of_work() as work:
        audit.record_event(work, SYSTEM, "keys.forget", "server", "master key", town_id=None)
    folder.forget_previous()
    print("the previous key is deleted; backups made before the rotation need a copy of it")
    return 0
