"""Checks of the database, the data folder and the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cartable.backups.database_copy import describe_server
from cartable.migrate import list_missing_migrations
from cartable.private_files import list_open_paths, list_paths_of_others
from cartable.read_replica import MAX_LAG
from cartable.settings import Settings
from cartable.timeline.file import UnreadableTimeline, read_point
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import Runtime
from mdm.cli.doctor.diagnosis import Diagnosis, failed, good, warning

#: Free space below which the database may stop: a day of a large town's reports, and room for a backup.
LEAST_SPACE = 2 * 2**30
LEAST_SHARE = 0.1


def check_database(runtime: Runtime) -> Iterator[Diagnosis]:
    """Yield whether the database answers, takes writes, has every migration, and belongs to this data folder."""
    try:
        yield good("database", f"{describe_server(runtime.engine)} answers")
        missing = list_missing_migrations(runtime.engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        yield failed("database", f"it does not answer: {reason}", "Is it running, and is CARTABLE_DATABASE_URL right?")
        return
    if missing:
        yield failed("migrations", f"{len(missing)} missing, the next is {missing[0]}", "Run `cartable migrate`.")
        return
    yield good("migrations", "the newest")
    yield from _check_writable(runtime)
    yield from check_timeline(runtime)
    yield from check_replica(runtime)


def _check_writable(runtime: Runtime) -> Iterator[Diagnosis]:
    try:
        with runtime.engine.connect() as connection:
            connection.execute(text("UPDATE timeline SET position = position"))
            connection.rollback()
        yield good("writes", "the database takes writes")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        yield failed("writes", f"the database refuses writes: {reason}", "Is the disk full, or is it a replica?")


def check_replica(runtime: Runtime) -> Iterator[Diagnosis]:
    """Yield whether the read replica, if there is one, is recent enough to be read."""
    if runtime.replica is None:
        return
    lag = runtime.replica.measure_lag()
    if lag is None:
        yield warning(
            "read replica",
            "it does not answer, is no standby, or receives nothing: exports burden the database",
            "Is CARTABLE_READ_DATABASE_URL right, and does the standby stream?",
        )
    elif lag > MAX_LAG:
        yield warning(
            "read replica",
            f"it is {lag.total_seconds():.0f} seconds behind: exports burden the database",
            "Look at the standby: does a long query hold its replay, is its disk slow?",
        )
    else:
        yield good("read replica", f"{lag.total_seconds():.0f} seconds behind")


def check_timeline(runtime: Runtime) -> Iterator[Diagnosis]:
    """Yield whether the database is that of this data folder, and as new as it."""
    folder = runtime.settings.secrets_dir
    try:
        known = read_point(folder)
    except UnreadableTimeline as error:
        yield failed("timeline", "the file beside the secrets is damaged", str(error))
        return
    with runtime.open_unit_of_work() as work:
        point = TimelineRepository(work.session).get_point()
    if known is None:
        yield good("timeline", "it begins at the next start")
    elif point is None:
        yield failed("timeline", "the database is empty, and the one of this data folder was not", _WRONG_DATABASE)
    elif point.database_id != known.database_id:
        yield failed("timeline", "the database is another one than that of this data folder", _WRONG_DATABASE)
    elif point.is_behind(known):
        yield warning(
            "timeline",
            f"the database is restored: it ends {point.known_at:%Y-%m-%d %H:%M}",
            "Start the server, then see docs/operator/backup.md.",
        )
    else:
        yield good("timeline", f"position {point.position}, {point.epoch - 1} restores")


_WRONG_DATABASE = (
    "Is CARTABLE_DATABASE_URL right? If this is to be a new beginning, delete secrets/timeline.json in the data folder."
)


def check_folder(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether the data folder can be written, and by nobody else read; and whether there is space."""
    folder = settings.data_dir
    try:
        probe = folder / ".write-probe"
        probe.write_text("ok")
        probe.unlink()
    except OSError as error:
        yield failed("data folder", f"{folder.absolute()} cannot be written ({error.strerror})", "Give it to the server's user.")
        return
    if open_paths := list_open_paths(folder):
        names = ", ".join(str(path.relative_to(folder)) or "." for path in open_paths[:5])
        yield failed(
            "data folder", f"others may read {len(open_paths)} paths in it: {names}", f"chmod -R go= {folder.absolute()}"
        )
    else:
        yield good("data folder", "private")
    if foreign := list_paths_of_others(folder, folder.stat().st_uid):
        names = ", ".join(str(path.relative_to(folder)) for path in foreign[:5])
        yield failed(
            "owners",
            f"{len(foreign)} paths belong to another user: {names}",
            f"chown -R --reference={folder.absolute()} {folder.absolute()}",
        )
    yield _check_space(folder)


def _check_space(folder: Path) -> Diagnosis:
    usage = shutil.disk_usage(folder)
    free = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.0f} free"
    if usage.free < LEAST_SPACE or usage.free < LEAST_SHARE * usage.total:
        return warning("disk", free, "Make room before the database stops: old backups, logs.")
    return good("disk", free)
