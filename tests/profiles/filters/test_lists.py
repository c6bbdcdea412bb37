"""Importing UT1 archives, the filter of places, and "why is this host blocked?", on both databases."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from cartable.paging import PageRequest
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from profiles.effective.contents import build_mode_content
from profiles.effective.explain_web import explain_host
from profiles.effective.situation import build_situation, load_policy
from profiles.filters.errors import BadHost, BadList
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import HostDecision, VerdictReason
from profiles.policy.kinds import PlaceKind
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.profiles.filters.archives import import_archive
from tests.support.policy import publish_document
from tests.support.world import TownFactory


def archive(files: dict[str, bytes], links: dict[str, str] | None = None) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    made.seek(0)
    return made


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


def test_lists_are_imported_found_by_sub_domain_and_aliases_count_once(work: UnitOfWork) -> None:
    town = TownFactory(work).create_town()
    many = "\n".join(f"site{number:06d}.example" for number in range(20_000)).encode()
    file = archive(
        {
            "blacklists/adult/domains": many + b"\nzz.last.example\n192.0.2.7.invalid\n",
            "blacklists/games/domains.0": b"jeu.example\n",
            "blacklists/games/domains.1": b"encore.example\n",
            "blacklists/games/urls": b"jeu.example/path\n",
            "blacklists/adult/usage": b"black\n",
            "blacklists/global_usage": b"NAME: adult\n",
        },
        {"blacklists/porn": "adult"},
    )
    imported = import_archive(work, SYSTEM, town.id, file)
    assert imported.hosts == {"adult": 20_002, "games": 2}
    repository = FilterRepository(work.session)
    assert repository.find_categories(town.id, "site000000.example") == ["adult"]
    assert repository.find_categories(town.id, "www.site019999.example") == ["adult"]
    assert repository.find_categories(town.id, "a.b.zz.last.example") == ["adult"]
    assert repository.find_categories(town.id, "encore.example") == ["games"]
    assert repository.find_categories(town.id, "site0000000.example") == []
    assert repository.find_categories(TownFactory(work).create_town().id, "jeu.example") == [], (
        "another town's lists are not ours"
    )
    import_archive(work, SYSTEM, town.id, archive({"l/games/domains": b"neuf.example\n"}))
    rows = repository.list_categories(town.id, PageRequest()).items
    assert [(row.name, row.hosts) for row in rows] == [("adult", 20_002), ("games", 1)]
    assert repository.find_categories(town.id, "jeu.example") == []


@pytest.mark.parametrize(
    ("files", "why"),
    [({}, "no_lists"), ({"../../etc/passwd": b"root"}, "no_lists"), ({"a/domains": b"x" * 5000}, "too_large")],
)
def test_hostile_archives_are_refused(work: UnitOfWork, files: dict[str, bytes], why: str) -> None:
    with pytest.raises(BadList) as refusal:
        import_archive(work, SYSTEM, TownFactory(work).create_town().id, archive(files))
    assert refusal.value.details["why"] == why


def test_garbage_is_no_archive(work: UnitOfWork) -> None:
    with pytest.raises(BadList):
        import_archive(work, SYSTEM, TownFactory(work).create_town().id, io.BytesIO(b"garbage" * 100))


def test_a_grade_has_its_own_list_at_school_and_the_explanation_names_it(work: UnitOfWork) -> None:
    world = TownFactory(work)
    town = world.create_town()
    tablets = []
    for level in (Grade.CP, Grade.CM2):
        tablet = world.create_tablet(town)
        world.lend_tablet(tablet, world.create_pupil(world.create_class(world.create_school(town)), level))
        tablets.append(tablet)
    import_archive(work, SYSTEM, town.id, archive({"l/games/domains": b"jeu.example\n"}))
    publish_document(work, town.id, PlaceKind.TOWN, "", {"all": {"web.blocked_categories": ["games"]}})
    only = {"web.permitted": ["ecole.example"], "web.only_permitted": True}
    publish_document(work, town.id, PlaceKind.GRADE, "CP", {"school": only})
    facts = load_facts(work, [tablet.id for tablet in tablets])
    little, big = (facts[tablet.id] for tablet in tablets)
    assert explain_host(work, big, "www.jeu.example").verdict.reason is VerdictReason.CATEGORY
    assert explain_host(work, little, "autre.example").verdict.reason is VerdictReason.NOT_PERMITTED
    assert explain_host(work, big, "autre.example").verdict.decision is HostDecision.ALLOW
    with pytest.raises(BadHost):
        explain_host(work, big, "no host")
    policy = load_policy(work, facts.values())
    situation = build_situation(little, policy, evaluate_modes(work, [little])[little.tablet_id])
    school, home = (
        build_mode_content(situation, policy, mode).composed_payloads["com.apple.webcontent-filter"]
        for mode in (Mode.SCHOOL, Mode.HOME)
    )
    assert [each["URL"] for each in school["AllowListBookmarks"]] == ["https://mdm.test:8443", "https://ecole.example"]
    assert "AllowListBookmarks" not in home
