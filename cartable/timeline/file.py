"""The file outside the database that says how far the database has got. It stands beside the secrets, which no backup of the database holds."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cartable.private_files import ensure_private_folder, lock_folder, write_secret
from cartable.timeline.rules import TimelinePoint

FILE_NAME = "timeline.json"


class UnreadableTimeline(ValueError):
    """The file is damaged. Its message says what to do."""


def read_point(folder: Path) -> TimelinePoint | None:
    """Return the point that the file in `folder` holds; None when there is no file. Raises `UnreadableTimeline`."""
    try:
        content = json.loads((folder / FILE_NAME).read_text("utf-8"))
        known_at = datetime.fromisoformat(content["known_at"])
        return TimelinePoint(UUID(content["database_id"]), int(content["epoch"]), int(content["position"]), known_at)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableTimeline(
            f"{folder / FILE_NAME} cannot be read. If the database was not restored from a backup, delete the file."
        ) from error


def write_point(folder: Path, point: TimelinePoint) -> None:
    """Write `point`, unless the file is further ahead for the same database: two processes may write at the same moment."""
    ensure_private_folder(folder)
    with lock_folder(folder):
        stored = read_point(folder)
        if stored is None or stored.database_id != point.database_id or not point.is_behind(stored):
            replace_point(folder, point)


def replace_point(folder: Path, point: TimelinePoint) -> None:
    """Write `point` whatever the file holds, atomically and readable for the server's user alone."""
    content = {
        "database_id": str(point.database_id), "epoch": point.epoch, "position": point.position, "known_at": point.known_at.isoformat(),
    }  # fmt: skip
    write_secret(folder / FILE_NAME, json.dumps(content).encode() + b"\n")
