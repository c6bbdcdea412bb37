"""The commands `cartable backup` and `cartable restore`. They ask for the passphrase and print what was done."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from cartable import audit
from cartable.backups.archive import read_archive
from cartable.backups.errors import BackupFailed
from cartable.backups.service import make_backup, restore_backup
from cartable.clock import SystemClock
from cartable.database import make_engine
from cartable.migrate import list_missing_migrations
from cartable.scope import SYSTEM
from cartable.settings import Settings
from mdm.care.restores.service import TimelineWatch
from mdm.cli.passphrases import add_passphrase_argument, read_passphrase
from mdm.composition import compose


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable backup`."""
    parser.add_argument("file", type=Path, help="the archive to write; it must not exist")
    parser.add_argument("--check", action="store_true", help="only read an archive that exists, to its end")
    add_passphrase_argument(parser)


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable restore`."""
    parser.add_argument("file", type=Path, help="the archive that `cartable backup` wrote")
    add_passphrase_argument(parser)


def run_backup(parsed: argparse.Namespace) -> int:
    """Write or check an archive and print what it holds. Returns an exit code."""
    try:
        passphrase = read_passphrase(parsed.passphrase_file, twice=not parsed.check)
        if parsed.check:
            head = read_archive(parsed.file, passphrase)
        else:
            runtime = compose(Settings())
            TimelineWatch(runtime).check()  # the copy knows its place
            head = make_backup(runtime.settings, runtime.engine, parsed.file, passphrase, runtime.clock.now())
            with runtime.open_unit_of_work() as work:  # the checklist of the first day asks when the last one was made
                audit.record_event(work, SYSTEM, "backup.create", "server", "server", town_id=None, files=len(head.hashes))
            TimelineWatch(runtime).check()  # from now on the database is ahead of this backup
    except BackupFailed as error:
        return _fail(error)
    print(
        f"{parsed.file}: {len(head.hashes)} files, {head.facts['server']}, {head.facts['made_at']}: complete, read back to its end"
    )
    if not head.facts["holds_master_key"]:
        print("The master key is not in it (CARTABLE_MASTER_KEY_FILE): keep it apart. Without it nothing can be opened.")
    return 0


def run_restore(parsed: argparse.Namespace) -> int:
    """Restore an archive into the configured place, which must be empty, and print what comes next. Returns an exit code."""
    settings = Settings()
    engine = make_engine(settings.effective_database_url)
    try:
        head = restore_backup(settings, engine, parsed.file, read_passphrase(parsed.passphrase_file, twice=False))
    except BackupFailed as error:
        return _fail(error)
    days = (SystemClock().now() - datetime.fromisoformat(head.facts["made_at"])).days
    print(f"Restored: the state of {head.facts['made_at']}, {days} days ago.")
    if list_missing_migrations(engine):
        print("The backup is of an older version: run `cartable migrate` before you start the server.")
    if settings.public_url != head.facts["public_url"]:
        print(f"Set CARTABLE_PUBLIC_URL to {head.facts['public_url']}: the tablets accept no other address.")
    print("At its start the server stops every town and raises an alarm: see docs/operator/backup.md.")
    return 0


def _fail(error: BackupFailed) -> int:
    print(f"cartable: {error}", file=sys.stderr)
    return 1
