"""Fetching an archive of lists from the mirror that the operator names: by HTTPS, only when it has changed, bounded, with its checksum.

Knows neither towns nor tables; no unit of work is open meanwhile.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import httpx

from cartable.http_client import TIMEOUT, USER_AGENT
from profiles.filters.models import UpdateProblem

MAX_CHECKSUM_BYTES = 4096


class MirrorProblem(Exception):
    """No archive could be fetched, or not the one that the checksum names."""

    def __init__(self, problem: UpdateProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class MirroredArchive:
    """An archive as a temporary file, and the mirror's name for this version of it."""

    file: IO[bytes]
    etag: str | None


@contextmanager
def fetch_archive(url: str, etag: str | None, *, max_bytes: int, checksum_url: str = "") -> Iterator[MirroredArchive | None]:
    """Yield the archive of a mirror; None when it is still the version that `etag` names. Raises `MirrorProblem`.

    The address is the operator's own, so it may lie in the operator's network.
    """
    # What is hashed and written is the file itself, so nothing may be compressed on the way.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **({"If-None-Match": etag} if etag else {})}
    with tempfile.TemporaryFile() as file, httpx.Client(timeout=TIMEOUT, headers=headers) as client:
        try:
            fetched = _download(client, url, file, max_bytes)
            if fetched is None:
                yield None
                return
            digest, new_etag = fetched
            if checksum_url and digest != _fetch_checksum(client, checksum_url):
                raise MirrorProblem(UpdateProblem.CHECKSUM)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MirrorProblem(UpdateProblem.UNREACHABLE) from error
        file.seek(0)
        yield MirroredArchive(file, new_etag)


def _download(client: httpx.Client, url: str, file: IO[bytes], max_bytes: int) -> tuple[str, str | None] | None:
    """Write the archive to a file, and return its SHA-256 and its name; None when it has not changed."""
    digest, size = hashlib.sha256(), 0
    with client.stream("GET", url) as response:
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        response.raise_for_status()
        for part in response.iter_raw():
            size += len(part)
            if size > max_bytes:
                raise MirrorProblem(UpdateProblem.TOO_LARGE)
            digest.update(part)
            file.write(part)
        return digest.hexdigest(), response.headers.get("etag", "")[:200] or None


def _fetch_checksum(client: httpx.Client, url: str) -> str:
    """Return the first SHA-256 in a file of checksums, as `sha256sum` writes it; empty when there is none."""
    text = b""
    with client.stream("GET", url) as response:
        response.raise_for_status()
        for part in response.iter_raw():
            text += part
            if len(text) > MAX_CHECKSUM_BYTES:
                raise MirrorProblem(UpdateProblem.CHECKSUM)
    found = re.search(rb"\b[0-9a-fA-F]{64}\b", text)
    return found.group().decode().lower() if found else ""
