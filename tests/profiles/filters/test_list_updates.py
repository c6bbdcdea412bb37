"""Lists that come by themselves from a mirror over real HTTP: imported when they changed, withheld when they look damaged."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.paging import PageRequest
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from profiles.filters import releases, service
from profiles.filters.list_updates import list_shrunk, schedule_updates, set_updates, update_lists
from profiles.filters.models import ListUpdates, ReleaseStatus, UpdateProblem
from profiles.filters.options import set_trial_schools
from profiles.filters.repository import FilterRepository
from tests.profiles.filters.test_lists import archive
from tests.support.world import TownFactory


@dataclass
class Mirror:
    """A mirror with one archive and its checksum; `requests` are the names under which it was asked for."""

    content: bytes = b""
    checksum: str = ""
    status: int = 200
    requests: list[str | None] = field(default_factory=list)
    url: str = ""

    def offer(self, files: dict[str, bytes]) -> None:
        self.content = archive(files).getvalue()
        self.checksum = hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    offered = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = f'"{hashlib.sha256(offered.content).hexdigest()[:16]}"'
            body = f"{offered.checksum}  lists.tar.gz\n".encode() if self.path.endswith(".sha256") else offered.content
            known = self.headers.get("If-None-Match")
            is_archive = not self.path.endswith(".sha256")
            if is_archive:
                offered.requests.append(known)
            self.send_response(304 if is_archive and known == etag else offered.status)
            self.send_header("ETag", etag)
            self.end_headers()
            if not (is_archive and known == etag):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    offered.url = f"http://127.0.0.1:{server.server_port}/lists.tar.gz"
    yield offered
    server.shutdown()
    server.server_close()


@pytest.fixture
def updating(runtime: Runtime, mirror: Mirror) -> Runtime:
    settings = {
        "filter_lists_url": mirror.url, "filter_lists_checksum_url": f"{mirror.url}.sha256", "filter_lists_max_megabytes": 1,
    }  # fmt: skip
    return replace(runtime, settings=runtime.settings.model_copy(update=settings))


@pytest.fixture
def town_id(updating: Runtime) -> UUID:
    with updating.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        set_updates(work, SYSTEM, town.id, is_wanted=True)
        return town.id


def count_hosts(runtime: Runtime, town_id: UUID) -> dict[str, int]:
    with runtime.open_unit_of_work() as work:
        return {each.name: each.hosts for each in service.list_all_categories(work, SYSTEM, town_id)}


def load(runtime: Runtime, town_id: UUID) -> ListUpdates:
    with runtime.open_unit_of_work() as work:
        row = FilterRepository(work.session).get_updates(town_id)
        assert row is not None
        return row


def hosts(count: int) -> bytes:
    return b"".join(b"h%d.example\n" % number for number in range(count))


def test_the_archive_is_imported_and_fetched_again_only_when_it_changed(updating: Runtime, mirror: Mirror, town_id: UUID) -> None:
    mirror.offer({"l/games/domains": hosts(3)})
    assert update_lists(updating, town_id).error is None
    assert count_hosts(updating, town_id) == {"games": 3}
    assert update_lists(updating, town_id).error is None
    mirror.offer({"l/games/domains": hosts(4)})
    update_lists(updating, town_id)
    assert count_hosts(updating, town_id) == {"games": 4}
    assert mirror.requests[0] is None
    assert mirror.requests[1] == mirror.requests[2] != None  # noqa: E711 - the name of the first archive, both times
    assert load(updating, town_id).problem is None


def test_a_category_that_shrinks_is_withheld_with_an_alarm_and_the_former_lists_stay(
    updating: Runtime, mirror: Mirror, town_id: UUID
) -> None:
    mirror.offer({"l/adult/domains": hosts(200), "l/games/domains": hosts(5)})
    update_lists(updating, town_id)
    mirror.offer({"l/adult/domains": hosts(150), "l/games/domains": hosts(6)})
    update_lists(updating, town_id)
    assert count_hosts(updating, town_id) == {"adult": 200, "games": 5}
    row = load(updating, town_id)
    assert (row.problem, row.shrunk) == (UpdateProblem.SHRUNK, ["adult"])
    update_lists(updating, town_id)
    assert load(updating, town_id).problem is UpdateProblem.SHRUNK, "the same archive does not become good by being unchanged"
    with updating.open_unit_of_work() as work:
        assert [alarm.kind for alarm in work.session.query(Alarm)] == [AlarmKind.FILTER_LISTS_WITHHELD]


def test_a_damaged_wrong_large_or_missing_archive_changes_nothing(updating: Runtime, mirror: Mirror, town_id: UUID) -> None:
    mirror.offer({"l/games/domains": hosts(3)})
    mirror.checksum = "0" * 64
    assert update_lists(updating, town_id).error is None
    assert load(updating, town_id).problem is UpdateProblem.CHECKSUM
    mirror.content = b"no archive"
    mirror.checksum = hashlib.sha256(mirror.content).hexdigest()
    update_lists(updating, town_id)
    assert load(updating, town_id).problem is UpdateProblem.UNREADABLE
    mirror.content = b"x" * (2**20 + 1)
    update_lists(updating, town_id)
    assert load(updating, town_id).problem is UpdateProblem.TOO_LARGE
    mirror.status = 503
    assert update_lists(updating, town_id).error == "unreachable", "tried again soon"
    assert count_hosts(updating, town_id) == {}


def test_towns_are_looked_at_once_a_day_while_they_wish_it(updating: Runtime, town_id: UUID, clock: ManualClock) -> None:
    def schedule() -> set[str]:
        with updating.open_unit_of_work() as work:
            work.session.query(OutboxRow).filter_by(topic=Topic.FILTER_LISTS).delete()
            schedule_updates(work)
            return {row.key for row in work.session.query(OutboxRow).filter_by(topic=Topic.FILTER_LISTS)}

    assert schedule() == {str(town_id)}
    update_lists(updating, town_id)
    assert schedule() == set()
    clock.advance(timedelta(days=1, minutes=1))
    assert schedule() == {str(town_id)}
    with updating.open_unit_of_work() as work:
        set_updates(work, SYSTEM, town_id, is_wanted=False)
    assert schedule() == set()


def test_small_categories_may_lose_more_but_none_is_emptied() -> None:
    assert list_shrunk({"a": 50, "b": 50, "c": 1000, "d": 1000}, {"a": 10, "b": 0, "c": 799, "d": 800, "new": 0}) == ["b", "c"]


def test_what_came_by_itself_is_kept_with_counts_and_samples(
    updating: Runtime, mirror: Mirror, town_id: UUID, clock: ManualClock
) -> None:
    mirror.offer({"l/games/domains": hosts(200), "l/press/domains": b"journal.example\n"})
    update_lists(updating, town_id)
    clock.advance(timedelta(days=1))
    mirror.offer({"l/games/domains": hosts(100) + b"neuf.example\n", "l/press/domains": b"journal.example\n"})
    update_lists(updating, town_id)
    with updating.open_unit_of_work() as work:
        waiting, first = releases.list_releases(work, SYSTEM, town_id, PageRequest()).items
    assert (waiting.status, waiting.shrunk, first.status) == (ReleaseStatus.WAITING, ["games"], ReleaseStatus.IN_FORCE)
    [change] = waiting.changes
    assert {name: change[name] for name in ("name", "before", "after", "leaving", "coming", "coming_samples")} == {
        "name": "games", "before": 200, "after": 101, "leaving": 100, "coming": 1, "coming_samples": ["neuf.example"],
    }  # fmt: skip
    assert len(change["leaving_samples"]) == 20
    assert count_hosts(updating, town_id)["games"] == 200
    with updating.open_unit_of_work() as work:
        releases.approve_release(work, SYSTEM, waiting.id)
    assert count_hosts(updating, town_id)["games"] == 101


def test_a_trial_is_not_replaced_by_the_lists_of_the_next_day(updating: Runtime, mirror: Mirror, town_id: UUID) -> None:
    with updating.open_unit_of_work() as work:
        school = TownFactory(work).create_school(work.session.get_one(Town, town_id))
        set_trial_schools(work, SYSTEM, town_id, [school.id], 48)
    mirror.offer({"l/games/domains": hosts(3)})
    update_lists(updating, town_id)
    mirror.offer({"l/games/domains": hosts(4)})
    update_lists(updating, town_id)
    assert len(mirror.requests) == 1
    with updating.open_unit_of_work() as work:
        [row] = releases.list_releases(work, SYSTEM, town_id, PageRequest()).items
        assert row.status is ReleaseStatus.TRIAL
        releases.stop_release(work, SYSTEM, row.id)
    update_lists(updating, town_id)
    assert len(mirror.requests) == 2
