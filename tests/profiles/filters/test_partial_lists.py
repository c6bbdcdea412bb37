"""Archives of filter lists as people upload them: of one category, compressed parts, damaged, empty; on both databases."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from cartable.audit import AuditEvent
from cartable.limited_process import FileTooDemanding
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.filters.archive import BadArchive, ListArchive
from profiles.filters.errors import BadList, DamagedMember, ListImportUnconfirmed
from profiles.filters.reading import read_archive
from profiles.filters.repository import FilterRepository
from tests.conftest import KEYRING
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.support.sampling import count_examples
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

FULL = {
    "blacklists/adult/domains": b"a.example\nb.example\n", "blacklists/malware/domains": b"m.example\n",
    "blacklists/phishing/domains": b"p.example\n", "blacklists/games/domains": b"g.example\n",
}  # fmt: skip


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town_id(work: UnitOfWork) -> UUID:
    town_id = TownFactory(work).create_town().id
    import_archive(work, SYSTEM, town_id, archive(FULL))
    return town_id


def find(work: UnitOfWork, town_id: UUID, host: str) -> list[str]:
    return FilterRepository(work.session).find_categories(town_id, host)


def test_the_archive_of_one_category_replaces_that_category_alone(work: UnitOfWork, town_id: UUID) -> None:
    imported = import_archive(work, SYSTEM, town_id, archive({"adult/domains": b"c.example\n"}))
    assert (imported.hosts, imported.kept, imported.removed) == ({"adult": 1}, ["games", "malware", "phishing"], [])
    assert (find(work, town_id, "a.example"), find(work, town_id, "c.example")) == ([], ["adult"])
    assert find(work, town_id, "m.example") == ["malware"]
    assert {"warez", "gambling"} <= set(imported.missing_baseline), "categories closed to children that the town does not have"
    assert "malware" not in imported.missing_baseline


def test_other_categories_are_removed_only_when_asked_and_confirmed(work: UnitOfWork, town_id: UUID) -> None:
    def only_adult() -> io.BytesIO:
        return archive({"adult/domains": b"c.example\n"})

    with pytest.raises(ListImportUnconfirmed) as refused:
        import_archive(work, SYSTEM, town_id, only_adult(), remove_others=True)
    details = refused.value.details
    assert (details["removed"], details["baseline"]) == (["games", "malware", "phishing"], ["malware", "phishing"])
    assert find(work, town_id, "a.example") == ["adult"], "nothing is changed"
    imported = import_archive(work, SYSTEM, town_id, only_adult(), remove_others=True, confirmed=True)
    assert imported.removed == ["games", "malware", "phishing"]
    assert find(work, town_id, "m.example") == []
    event = work.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "filter.import").order_by(AuditEvent.id.desc())
    ).first()
    assert event is not None
    assert event.details["removed"] == imported.removed


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", b"not a host at all!\n"])
def test_a_category_that_would_be_empty_asks_again(work: UnitOfWork, town_id: UUID, content: bytes) -> None:
    files = {"l/malware/domains": content, "l/games/domains": b"new.example\n", "l/unknown/domains": b""}
    with pytest.raises(ListImportUnconfirmed) as refused:
        import_archive(work, SYSTEM, town_id, archive(files))
    assert (refused.value.details["emptied"], refused.value.details["baseline"]) == (["malware"], ["malware"])
    assert (find(work, town_id, "m.example"), find(work, town_id, "new.example")) == (["malware"], []), "all or nothing"
    imported = import_archive(work, SYSTEM, town_id, archive(files), confirmed=True)
    assert (imported.emptied, imported.hosts) == (["malware"], {"malware": 0, "games": 1, "unknown": 0})
    assert "malware" in imported.missing_baseline


def test_compressed_parts_are_read_and_archives_in_the_archive_are_named(work: UnitOfWork, town_id: UUID) -> None:
    files = {
        "l/adult/domains.0.gz": gzip.compress(b"c.example\n"), "l/adult/domains.1": b"d.example\n", "l/adult/urls.gz": b"x",
        "l/malware.tar.gz": b"x", "l/games/domains.txt": b"x", "domains": b"x.example\n", "l/global_usage": b"NAME: adult\n",
    }  # fmt: skip
    imported = import_archive(work, SYSTEM, town_id, archive(files))
    assert imported.hosts == {"adult": 2}
    assert imported.skipped == ["l/malware.tar.gz", "l/games/domains.txt", "domains"]
    assert (find(work, town_id, "c.example"), find(work, town_id, "d.example")) == (["adult"], ["adult"])


@pytest.mark.parametrize("damaged", [gzip.compress(b"c.example\n" * 9000)[:-40], b"\x1f\x8bnonsense", b"c.example\n"])
def test_a_damaged_compressed_part_is_named_and_nothing_changes(work: UnitOfWork, town_id: UUID, damaged: bytes) -> None:
    with pytest.raises(DamagedMember) as refused:
        import_archive(work, SYSTEM, town_id, archive({"l/games/domains": b"n.example\n", "l/adult/domains.gz": damaged}))
    assert (refused.value.details["why"], refused.value.details["member"]) == ("damaged_member", "l/adult/domains.gz")
    assert (find(work, town_id, "a.example"), find(work, town_id, "g.example")) == (["adult"], ["games"])


def test_an_archive_that_was_cut_off_changes_nothing(work: UnitOfWork, town_id: UUID) -> None:
    hosts = b"".join(b"site%06d.example\n" % (number * 7919 % 1_000_003) for number in range(60_000))
    whole = archive({"l/adult/domains": hosts}).getvalue()
    with pytest.raises(BadList) as refused:
        import_archive(work, SYSTEM, town_id, io.BytesIO(whole[: len(whole) // 2]))
    assert refused.value.details["member"] == "l/adult/domains"
    assert find(work, town_id, "a.example") == ["adult"]


def test_an_alias_is_the_category_it_stands_for_and_is_not_counted_twice(work: UnitOfWork, town_id: UUID) -> None:
    imported = import_archive(work, SYSTEM, town_id, archive({"porn/domains": b"c.example\n"}))
    assert imported.hosts == {"adult": 1}
    both = {"l/drogue/domains": b"d.example\n", "l/drugs/domains": b"d.example\n", "l/violence/domains": b"v.example\n"}
    assert import_archive(work, SYSTEM, town_id, archive(both)).hosts == {"drogue": 1, "agressif": 1}


def test_hosts_with_accents_are_looked_up_and_unreadable_lines_passed_over(work: UnitOfWork, town_id: UUID) -> None:
    lines = "\ufeffcafé.example\nok.example\r\n".encode() + b"caf\xe9.example\n" + b"\xff\xfe\n"
    imported = import_archive(work, SYSTEM, town_id, archive({"games/domains": lines}))
    assert imported.hosts == {"games": 2}
    assert find(work, town_id, "xn--caf-dma.example") == ["games"]
    assert find(work, town_id, "caf.example") == [], "no letter is left out of a host"


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=count_examples(150), deadline=None)
def test_any_bytes_are_an_archive_or_refused(content: bytes, in_tar: bool) -> None:
    file = archive({"l/adult/domains.gz": content, "l/games/domains": content}) if in_tar else io.BytesIO(content)
    with contextlib.suppress(BadArchive):
        for category in ListArchive(file).read():
            list(category.hosts)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives_in_every_compression(work: UnitOfWork, town_id: UUID, mode: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("./adult/domains")
        info.size = len(b"c.example\n")
        tar.addfile(info, io.BytesIO(b"c.example\n"))
    made.seek(0)
    assert import_archive(work, SYSTEM, town_id, made).hosts == {"adult": 1}


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def test_the_api_names_what_would_vanish_and_takes_a_confirmation(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    path = f"/towns/{town_id}/filter-lists"
    with contextlib.closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:

        def post(files: dict[str, bytes], **fields: str) -> tuple[int, dict[str, object]]:
            answer = client.post(path, files={"file": ("lists.tar.gz", archive(files).getvalue())}, data=fields)
            return answer.status_code, answer.json()

        assert post(FULL)[0] == 200
        status, body = post({"adult/domains": b"c.example\n"})
        assert (status, body["hosts"], body["kept"]) == (200, {"adult": 1}, ["games", "malware", "phishing"])
        status, body = post({"malware/domains": b""})
        assert (status, body["code"]) == (409, "list_import_unconfirmed")
        assert [row["name"] for row in client.get(path).json()["items"]] == ["adult", "games", "malware", "phishing"]
        status, body = post({"malware/domains": b""}, confirm="true")
        assert (status, body["emptied"]) == (200, ["malware"])
        status, body = post({"l/adult/domains.gz": b"\x1f\x8bx"})
        assert (status, body["code"], body["details"]) == (
            422,
            "bad_list",
            {"why": "damaged_member", "member": "l/adult/domains.gz"},
        )


def test_an_archive_is_read_in_a_process_that_a_bomb_alone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiles.filters.reading._CPU_SECONDS", 1)
    lines = b"h.example\n" * 5_000_000  # some kilobytes when compressed
    begun = time.process_time()
    with pytest.raises(FileTooDemanding):
        read_archive(archive({"l/games/domains": lines}))
    assert read_archive(archive({"l/games/domains": b"a.example\n"})).count_hosts() == {"games": 1}
    with pytest.raises(BadList):
        read_archive(io.BytesIO(b"no archive"))
    assert time.process_time() - begun < 2, "the hosts were not read in this process"
