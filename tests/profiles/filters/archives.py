"""Importing an archive of filter lists in one step, as no endpoint does."""

from __future__ import annotations

from typing import IO
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from profiles.filters import service
from profiles.filters.reading import read_lists


def import_archive(work: UnitOfWork, actor: Actor, town_id: UUID, file: IO[bytes], **options: bool) -> service.ListImport:
    """Read an archive and import its lists."""
    return service.import_lists(work, actor, town_id, read_lists(file.read()), **options)
