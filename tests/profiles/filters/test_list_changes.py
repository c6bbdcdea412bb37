"""What new lists do to hosts that people opened: only the categories closed to every child count."""

from __future__ import annotations

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from profiles.effective.list_previews import list_opened_hosts, preview_list_import, preview_opened_hosts
from profiles.filters import releases
from profiles.filters.content_repository import ContentRepository
from profiles.filters.list_changes import OpenedHostChange, find_categories_in, list_opened_host_changes
from profiles.filters.options import set_own_hosts
from profiles.filters.reading import ReadLists, read_lists
from profiles.policy.kinds import PlaceKind
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.support.policy import publish_document
from tests.support.world import TownFactory

NEW = {"l/adult/domains": b"perdu.example\nville.example\n", "l/games/domains": b"jeu.example\n"}


def read(files: dict[str, bytes]) -> ReadLists:
    return read_lists(archive(files).getvalue())


def create_town(work: UnitOfWork) -> Town:
    """A town that opens four hosts, of which one is in a category closed to every child."""
    town = TownFactory(work).create_town()
    import_archive(work, SYSTEM, town.id, archive({"l/adult/domains": b"repos.example\n"}))
    values = {"web.permitted": ["www.perdu.example", "repos.example"], "web.teacher_unlockable": ["jeu.example"]}
    publish_document(work, town.id, PlaceKind.TOWN, "", {"all": values})
    set_own_hosts(work, SYSTEM, town.id, ["menu.ville.example"])
    return town


def test_hosts_of_rules_and_of_the_town_that_come_into_or_leave_the_baseline_are_named(runtime: Runtime) -> None:
    expected = [
        OpenedHostChange("menu.ville.example", ("adult",), ()),
        OpenedHostChange("repos.example", (), ("adult",)),
        OpenedHostChange("www.perdu.example", ("adult",), ()),
    ]
    with runtime.open_unit_of_work() as work:
        town = create_town(work)
        assert list_opened_hosts(work, town.id) == ["jeu.example", "menu.ville.example", "repos.example", "www.perdu.example"]
    preview = preview_list_import(runtime, SYSTEM, town.id, read(NEW), remove_others=False)
    assert preview.opened_hosts == expected, "a category that gives way to what a place permits does not count"
    assert {name: (each.leaving_samples, each.coming_samples) for name, each in preview.changes.items()} == {
        "adult": (["repos.example"], ["perdu.example", "ville.example"]),
        "games": ([], ["jeu.example"]),
    }
    with runtime.open_unit_of_work() as work:
        lists = read(NEW)
        ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
        release = releases.add_release(work, town.id, [{"name": name} for name in lists.categories], lists.describe(), ["adult"])
        assert preview_opened_hosts(work, release) == expected, "of lists that came by themselves the same is said"


def test_a_removed_category_releases_what_it_closed(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(work)
    only_games = read({"l/games/domains": b"jeu.example\n"})
    preview = preview_list_import(runtime, SYSTEM, town.id, only_games, remove_others=True)
    assert preview.opened_hosts == [OpenedHostChange("repos.example", (), ("adult",))]
    assert (preview.changes["adult"].leaving, preview.changes["adult"].leaving_samples) == (1, ["repos.example"])
    assert preview_list_import(runtime, SYSTEM, town.id, only_games, remove_others=False).opened_hosts == []


def test_a_listed_domain_covers_its_sub_domains_and_no_longer_name() -> None:
    found = find_categories_in(read(NEW), ["a.b.ville.example", "bonneville.example", "jeu.example"])
    assert found == {"a.b.ville.example": ["adult"], "bonneville.example": [], "jeu.example": ["games"]}
    assert list_opened_host_changes(["x.example"], {"x.example": ["adult"]}, {"x.example": ["adult"]}, {"adult"}) == []
