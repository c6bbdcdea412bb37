"""An archive of lists that was cut off on its way is refused wherever it was cut: what is lost would count as taken from the lists."""

from __future__ import annotations

import io
import tarfile
from typing import Literal

import pytest

from profiles.filters.errors import BadList
from profiles.filters.reading import read_lists

Compression = Literal["w", "w:gz", "w:bz2", "w:xz"]
COMPRESSIONS: tuple[Compression, ...] = ("w", "w:gz", "w:bz2", "w:xz")


def build_archive(compression: Compression) -> bytes:
    """Return two lists of many hosts; compressed, they lie within a few hundred bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=compression) as archive:
        for category in ("adult", "malware"):
            hosts = "".join(f"{number}.{category}.example\n" for number in range(60)).encode()
            member = tarfile.TarInfo(f"blacklists/{category}/domains")
            member.size = len(hosts)
            archive.addfile(member, io.BytesIO(hosts))
    return content.getvalue()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_whole_archive_is_read_in_each_compression(compression: Compression) -> None:
    assert read_lists(build_archive(compression)).count_hosts() == {"adult": 60, "malware": 60}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_cut_archive_is_refused_wherever_it_was_cut(compression: Compression) -> None:
    content = build_archive(compression)
    mark = len(content.rstrip(b"\0")) if compression == "w" else len(content)  # behind it there are zeros that say nothing
    for end in range(0, mark, max(1, mark // 200)):
        with pytest.raises(BadList):
            read_lists(content[:end])


def test_an_archive_that_ends_between_two_lists_is_refused() -> None:
    content = build_archive("w")
    with pytest.raises(BadList) as caught:
        read_lists(content[: content.index(b"blacklists/malware")])
    assert caught.value.details == {"why": "damaged_member", "member": "blacklists/adult/domains"}


def test_a_compressed_archive_with_a_wrong_sum_is_refused() -> None:
    content = bytearray(build_archive("w:gz"))
    content[-8] ^= 1
    with pytest.raises(BadList):
        read_lists(bytes(content))
