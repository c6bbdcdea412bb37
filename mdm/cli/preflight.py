"""Checks before the server starts; each error says what to do. Starts nothing."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cartable.migrate import UNKNOWN_MIGRATION, list_foreign_columns, list_missing_migrations, upgrade
from cartable.private_files import ensure_private_folder
from cartable.setting_names import list_unknown_settings
from cartable.settings import Settings
from cartable.timeline.file import UnreadableTimeline, read_point
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import Runtime
from enrollment.identity.acme.attestation import load_roots
from enrollment.identity.server_names import detect_lan_address
from mdm.tables import metadata

#: The file of the data folder with the address at which the first tablets enrolled.
_ENROLLED_URL = "enrolled-url"


class CannotStart(Exception):
    """The server cannot start; the message is for the person at the terminal."""


def read_settings() -> Settings:
    """Return the settings. Raises `CannotStart` with the name of each wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"  CARTABLE_{'_'.join(str(part) for part in item['loc'][:1]).upper()}: {item['msg']}" for item in error.errors()
        ]
        raise CannotStart("the configuration is wrong:\n" + "\n".join(lines)) from error


def check_data_folder(folder: Path) -> None:
    """Create the data folder and write a test file into it. Raises `CannotStart`."""
    try:
        ensure_private_folder(folder)
        probe = folder / ".write-probe"
        probe.write_text("ok")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"the data folder {folder.absolute()} cannot be written ({error.strerror}). "
            "Set CARTABLE_DATA_DIR to a folder on a disk that can be written."
        ) from error


def check_attestation_roots(path: Path | None) -> None:
    """Read the root certificates of attestations, if a file is configured. Raises `CannotStart`."""
    try:
        load_roots(path)
    except (OSError, ValueError) as error:
        raise CannotStart(f"CARTABLE_ATTESTATION_ROOTS names {path}, which is no PEM file of certificates ({error}).") from error


def check_port(host: str, port: int, setting: str = "CARTABLE_BIND_PORT") -> None:
    """Try to bind the port. Raises `CannotStart` when it is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise CannotStart(f"this user may not listen on port {port}. Set {setting} to one above 1023.") from error
        except OSError as error:
            raise CannotStart(
                f"port {port} on {host} is taken ({error.strerror}). Is Cartable already running? "
                f"Otherwise set {setting} to another port."
            ) from error


def check_processes(settings: Settings) -> None:
    """Raise `CannotStart` when several server processes would each have a broker of their own in memory."""
    if settings.embedded_worker and settings.web_workers > 1:
        raise CannotStart(
            f"CARTABLE_WEB_WORKERS={settings.web_workers} needs a broker that the processes share: set CARTABLE_BROKER_URL, "
            "e.g. redis://localhost:6379/0."
        )


def check_shared_broker(settings: Settings) -> None:
    """Raise `CannotStart` for a worker or scheduler of its own while the broker is in the memory of the server."""
    if settings.embedded_worker:
        raise CannotStart(
            "with CARTABLE_BROKER_URL=memory:// worker and scheduler run inside `cartable serve`: a process of its own would receive nothing. "
            "Set the address of a broker."
        )


def wait_for_database(runtime: Runtime, *, seconds: float) -> None:
    """Return as soon as the database answers: in a new installation both start at once. Raises `CannotStart` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            list_missing_migrations(runtime.engine)
        except OperationalError as error:
            if time.monotonic() > end:
                raise _describe_silence(error) from None
            time.sleep(0.5)
        except UNKNOWN_MIGRATION:
            return  # it answers, with the migrations of another version
        else:
            return


def upgrade_database(runtime: Runtime) -> None:
    """Apply the migrations that the database lacks.

    Raises `CannotStart` when another version has made it, whose tables are others. That is known before anything is changed.
    """
    _check_version(runtime)
    upgrade(runtime.engine)


def _check_version(runtime: Runtime) -> None:
    """Raise `CannotStart` when another version has made the database. It is only read."""
    try:
        foreign = list_foreign_columns(runtime.engine, metadata)
    except UNKNOWN_MIGRATION as error:  # it has a migration that is not among ours
        raise _describe_other_version(runtime, str(error)) from error
    if foreign:
        raise _describe_other_version(runtime, f"its column {foreign[0]} is the first that differs")


def _describe_other_version(runtime: Runtime, difference: str) -> CannotStart:
    folder = runtime.settings.data_dir.absolute()
    is_elsewhere = runtime.engine.dialect.name != "sqlite"
    new_database = ", set CARTABLE_DATABASE_URL to an empty database" if is_elsewhere else ""
    return CannotStart(
        f"the data in {'the database of ' if is_elsewhere else ''}{folder} was made by another version of Cartable ({difference}). Nothing of it "
        f"was changed. To begin again, move the folder away (mv '{folder}' '{folder}.old'){new_database} and start once more; to keep the data, "
        "start the version that made it."
    )


def check_database(runtime: Runtime) -> None:
    """Raise `CannotStart` when the database does not answer, lacks migrations, is of another version, or is not the one of this data folder."""
    try:
        missing = list_missing_migrations(runtime.engine)
    except SQLAlchemyError as error:
        raise _describe_silence(error) from None
    except UNKNOWN_MIGRATION as error:
        raise _describe_other_version(runtime, str(error)) from error
    if missing:
        raise CannotStart(f"the database lacks {len(missing)} migrations: run `cartable migrate`.")
    _check_version(runtime)
    check_own_database(runtime)


def _describe_silence(error: SQLAlchemyError) -> CannotStart:
    reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
    return CannotStart(f"the database does not answer ({reason}). Is it running, and is CARTABLE_DATABASE_URL right?")


def check_own_database(runtime: Runtime) -> None:
    """Raise `CannotStart` when the data folder belongs to another database than the configured one."""
    try:
        known = read_point(runtime.settings.secrets_dir)
    except UnreadableTimeline as error:
        raise CannotStart(str(error)) from error
    with runtime.open_unit_of_work() as work:
        point = TimelineRepository(work.session).get_point()
    if known is not None and (point is None or point.database_id != known.database_id):
        raise CannotStart(
            f"the database is {'empty' if point is None else 'another one'}, and the data folder {runtime.settings.data_dir.absolute()} belongs to one "
            "with data. Is CARTABLE_DATABASE_URL right? For a new beginning delete secrets/timeline.json in the data folder."
        )


def list_start_warnings(settings: Settings, *, has_enrollments: bool) -> list[str]:
    """Return a sentence for each unknown setting, and one when tablets have enrolled at another address. Stores the first address."""
    sentences = [
        f"{name} is no setting and has no effect." + (f" Did you mean {similar}?" if similar else "")
        for name, similar in list_unknown_settings(os.environ)
    ]
    former = read_enrolled_url(settings)
    if former is None and has_enrollments:
        (settings.data_dir / _ENROLLED_URL).write_text(settings.public_url + "\n")
    elif former is not None and former != settings.public_url:
        sentences.append(
            f"Tablets have enrolled at {former} and accept no other address; CARTABLE_PUBLIC_URL is now {settings.public_url}."
        )
    return sentences


def read_enrolled_url(settings: Settings) -> str | None:
    """Return the address at which the first tablets enrolled; None before."""
    file = settings.data_dir / _ENROLLED_URL
    return file.read_text().strip() if file.exists() else None


def settle_public_url(settings: Settings) -> Settings:
    """Return the settings with the address that tablets use. It is stored, because an enrolled tablet accepts no other one.

    In this order: `CARTABLE_PUBLIC_URL`, the stored address, this machine's address on its network.
    """
    if "public_url" in settings.model_fields_set:
        return settings
    url_file = settings.data_dir / "public-url"
    if url_file.exists():
        url = url_file.read_text().strip()
    else:
        url = f"https://{detect_lan_address()}:{settings.bind_port}"
        url_file.write_text(url + "\n")
    return Settings.model_validate(settings.model_dump(exclude_unset=True) | {"public_url": url})
