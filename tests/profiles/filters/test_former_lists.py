"""Putting back what a category was before its last import, on both databases: nothing is lost, and nothing is kept for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.errors import DomainError, NotFound
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from mdm.privacy import history
from profiles.filters import former_lists, service
from profiles.filters.category_repository import CategoryRepository
from profiles.filters.models import FilterContent
from profiles.filters.reading import read_lists
from profiles.filters.repository import FilterRepository
from tests.profiles.filters.test_lists import archive
from tests.support.world import TownFactory

MANY = [f"site{number:05d}.example" for number in range(9000)]


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town(work: UnitOfWork) -> Town:
    """A town whose list of games lost a site and got another, in an import that left the press as it was."""
    made = TownFactory(work).create_town()
    import_lists(work, made, {"games": MANY, "press": ["journal.example"]})
    import_lists(work, made, {"games": [*MANY[:5000], *MANY[5001:], "zz-nouveau.example"], "press": ["journal.example"]})
    return made


def import_lists(work: UnitOfWork, town: Town, hosts: dict[str, list[str]], *, remove_others: bool = False) -> None:
    file = archive({f"l/{name}/domains": "\n".join(lines).encode() + b"\n" for name, lines in hosts.items()})
    service.import_lists(work, SYSTEM, town.id, read_lists(file.read()), remove_others=remove_others, confirmed=True)


def test_the_preview_names_what_leaves_and_what_comes(work: UnitOfWork, town: Town) -> None:
    preview = former_lists.preview_undo(work, SYSTEM, town.id, "games")
    assert (preview.leaving, preview.coming) == (["zz-nouveau.example"], [MANY[5000]])
    assert (preview.hosts_now, preview.former.hosts) == (9000, 9000)
    assert [each.name for each in former_lists.list_former(work, SYSTEM, town.id)] == ["games"], "the press has not changed"


def test_an_undone_import_is_undone_again(work: UnitOfWork, town: Town) -> None:
    contents = []
    for _ in range(3):
        current = CategoryRepository(work.session).find_current(town.id, "games")
        former = former_lists.preview_undo(work, SYSTEM, town.id, "games").former
        assert current is not None
        contents.append((current.content_sha256, former.content_sha256))
        former_lists.undo_import(work, SYSTEM, town.id, "games", former.content_sha256)
        work.session.expire_all()
    assert contents[0] == contents[1][::-1] == contents[2]
    assert FilterRepository(work.session).find_categories(town.id, MANY[5000]) == ["games"]
    assert FilterRepository(work.session).find_categories(town.id, "zz-nouveau.example") == []


def test_a_removed_category_comes_back(work: UnitOfWork, town: Town) -> None:
    import_lists(work, town, {"games": MANY}, remove_others=True)
    preview = former_lists.preview_undo(work, SYSTEM, town.id, "press")
    assert (preview.leaving, preview.coming, preview.hosts_now) == ([], ["journal.example"], 0)
    former_lists.undo_import(work, SYSTEM, town.id, "press", preview.former.content_sha256)
    assert FilterRepository(work.session).find_categories(town.id, "journal.example") == ["press"]


def test_a_list_that_was_replaced_after_the_preview_is_not_put_back(work: UnitOfWork, town: Town) -> None:
    seen = former_lists.preview_undo(work, SYSTEM, town.id, "games").former.content_sha256
    import_lists(work, town, {"games": ["autre.example"]})
    with pytest.raises(NotFound):
        former_lists.undo_import(work, SYSTEM, town.id, "games", seen)


def test_a_refused_import_keeps_no_former_content(work: UnitOfWork, town: Town) -> None:
    before = former_lists.preview_undo(work, SYSTEM, town.id, "games").former.content_sha256
    with pytest.raises(DomainError):
        service.import_lists(work, SYSTEM, town.id, read_lists(archive({"l/games/domains": b"\n"}).read()))
    work.session.expire_all()
    assert former_lists.preview_undo(work, SYSTEM, town.id, "games").former.content_sha256 == before


def test_former_contents_end_after_two_weeks(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        made = TownFactory(work).create_town()
        import_lists(work, made, {"games": ["un.example"]})
        import_lists(work, made, {"games": ["deux.example"]})
        town_id = made.id
    clock.advance(former_lists.KEPT_FOR + timedelta(minutes=1))
    with runtime.open_unit_of_work() as work:
        assert not former_lists.list_former(work, SYSTEM, town_id)
        assert history.purge_history(work)["former_filter_category"] == 1
        history.purge_history(work)
        assert work.session.scalar(select(func.count()).select_from(FilterContent)) == 1, "what no category has any more"
        assert FilterRepository(work.session).find_categories(town_id, "deux.example") == ["games"]
