"""Fetching an archive of lists from the mirror that the operator names: by HTTPS or rsync, only when it has changed, bounded, with its checksum.

Knows neither towns nor tables; no unit of work is open meanwhile.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from cartable.http_client import TIMEOUT, USER_AGENT, get_public_trust
from profiles.filters.models import UpdateProblem
from profiles.filters.rsync_mirror import MirrorProblem, fetch_file, is_rsync, look_up_file

MAX_CHECKSUM_BYTES = 4096


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
    with tempfile.TemporaryFile() as file:
        download = _download_by_rsync if is_rsync(url) else _download
        fetched = download(url, etag, file, max_bytes)
        if fetched is None:
            yield None
            return
        digest, new_etag = fetched
        if checksum_url and digest != _fetch_checksum(checksum_url):
            raise MirrorProblem(UpdateProblem.CHECKSUM)
        file.seek(0)
        yield MirroredArchive(file, new_etag)


def _download_by_rsync(url: str, etag: str | None, file: IO[bytes], max_bytes: int) -> tuple[str, str | None] | None:
    """Write the archive to a file, and return its SHA-256 and its version; None when that is still `etag`."""
    remote = look_up_file(url)
    if remote.version == etag:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "archive"
        fetch_file(remote, target, max_bytes)
        with target.open("rb") as fetched:
            digest = hashlib.file_digest(fetched, "sha256").hexdigest()
            fetched.seek(0)
            shutil.copyfileobj(fetched, file)
    return digest, remote.version


@contextmanager
def _open_client(**headers: str) -> Iterator[httpx.Client]:
    """Yield a client; what goes wrong with its requests is `MirrorProblem`."""
    # What is hashed and written is the file itself, so nothing may be compressed on the way.
    own = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    with httpx.Client(verify=get_public_trust(), timeout=TIMEOUT, headers={**own, **headers}) as client:
        try:
            yield client
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MirrorProblem(UpdateProblem.UNREACHABLE) from error


def _download(url: str, etag: str | None, file: IO[bytes], max_bytes: int) -> tuple[str, str | None] | None:
    """Write the archive to a file, and return its SHA-256 and its name; None when it is still the version that `etag` names."""
    digest, size = hashlib.sha256(), 0
    known = {"If-None-Match": etag} if etag else {}
    with _open_client(**known) as client, client.stream("GET", url) as response:
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


def _fetch_checksum(url: str) -> str:
    """Return the first SHA-256 in a file of checksums, as `sha256sum` writes it; empty when there is none."""
    text = _read_small_file_by_rsync(url) if is_rsync(url) else _read_small_file(url)
    if len(text) > MAX_CHECKSUM_BYTES:
        raise MirrorProblem(UpdateProblem.CHECKSUM)
    match = re.search(rb"\b[0-9a-fA-F]{64}\b", text)
    return match.group().decode().lower() if match else ""


def _read_small_file_by_rsync(url: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "checksum"
        fetch_file(look_up_file(url), target, MAX_CHECKSUM_BYTES)
        return target.read_bytes()


def _read_small_file(url: str) -> bytes:
    """Return a file; of one that is too large, little more than it may have."""
    text = b""
    with _open_client() as client, client.stream("GET", url) as response:
        response.raise_for_status()
        for part in response.iter_raw():
            text += part
            if len(text) > MAX_CHECKSUM_BYTES:
                break
    return text
