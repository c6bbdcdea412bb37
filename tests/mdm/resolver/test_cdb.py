"""Constant databases: every key is there with its value, no other is, and nothing stays of one that was not completed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.resolver.cdb import TooLarge, read_value, write_cdb


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=5), max_size=60), st.binary(max_size=20))
def test_every_key_has_its_value_and_no_other_is_there(records: dict[bytes, bytes], other: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.cdb"
        assert write_cdb(path, records.items()) == len(records)
        content = path.read_bytes()
    assert {key: read_value(content, key) for key in records} == records
    assert read_value(content, other) == records.get(other)


def test_the_format_is_that_of_its_author(tmp_path: Path) -> None:
    """One record: header, record, and a table of two slots; the hash of "one" is that of the specification (h = h * 33 xor c)."""
    path = tmp_path / "one.cdb"
    write_cdb(path, [(b"one", b"Hello")])
    number = 5381
    for byte in b"one":
        number = ((number << 5) + number & 0xFFFFFFFF) ^ byte
    content = path.read_bytes()
    assert content[2048:2064] == (3).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"oneHello"
    assert content[8 * (number & 255) :][:8] == (2064).to_bytes(4, "little") + (2).to_bytes(4, "little")
    assert len(content) == 2064 + 16


def test_nothing_stays_of_a_database_that_is_not_completed(tmp_path: Path) -> None:
    path = tmp_path / "some.cdb"
    write_cdb(path, [(b"a", b"1")])
    former = path.read_bytes()

    def fail() -> Iterator[tuple[bytes, bytes]]:
        yield b"b", b"2"
        raise OSError

    with pytest.raises(OSError):
        write_cdb(path, fail())
    assert [file.name for file in tmp_path.iterdir()] == ["some.cdb"]
    assert path.read_bytes() == former


def test_what_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdm.resolver.cdb._MAX_BYTES", 2048 + 50)
    with pytest.raises(TooLarge):
        write_cdb(tmp_path / "big.cdb", [(b"key", b"x" * 30)])
    assert list(tmp_path.iterdir()) == []
