"""The addresses of the resolver: who shares one, what is served there, and that no setting opens what is closed to every child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.ids import new_id
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade, SchoolClass
from enrollment.tablets.models import Tablet
from profiles.effective.contents import build_mode_content
from profiles.effective.desired_states import compute_desired_states
from profiles.effective.models import DeclarationSet
from profiles.effective.resolving import build_resolver_filter
from profiles.effective.situation import PolicyData, Situation, build_situation, load_policy
from profiles.filters.address_repository import FilterAddressRepository
from profiles.filters.options import set_own_hosts, set_trial_schools
from profiles.filters.payloads import DNS, FILTER
from profiles.filters.resolver_access import APPLE_HOSTS, ResolverAccess, find_token
from profiles.filters.resolver_filter import ResolverFilter, decide_name
from profiles.filters.rules import LEGAL_CATEGORIES, HostDecision, VerdictReason, compose_filter
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, StageKind
from profiles.render.trial import compute_trial_digest, split_cutting_content
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.models import ClassAbsence, ClassSession, GuardianRule
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from profiles.schedule.session_rules import SessionPreset
from tests.conftest import KEYRING
from tests.support.policy import publish_document
from tests.support.statements import count_statements
from tests.support.world import TownFactory

RESOLVER = {"kind": "resolver", "networks": ["ecole"]}


@pytest.fixture
def runtime(engine: Engine, clock: ManualClock, settings: Settings) -> Runtime:
    clock.advance(datetime(2026, 11, 23, 9, 0, tzinfo=UTC) - clock.now())
    configured = settings.model_copy(
        update={
            "resolver_url": "https://dns.test",
            "resolver_addresses": ("192.0.2.1", "192.0.2.2"),
            "always_open_hosts": ("ent.test",),
        }
    )
    return Runtime(settings=configured, engine=engine, clock=clock, keyring=KEYRING)


class ClassRoom:
    """A town that uses the resolver, a school, a class, and two tablets of it."""

    def __init__(self, work: UnitOfWork, values: Mapping[str, Any] | None = None) -> None:
        self.world = TownFactory(work)
        self.town = self.world.create_town()
        self.school = self.world.create_school(self.town)
        self.school_class = self.world.create_class(self.school)
        self.tablets = [self.add_tablet(self.school_class) for _ in range(2)]
        publish_document(work, self.town.id, PlaceKind.TOWN, "", {"all": {"web.delivery": RESOLVER, **(values or {})}})

    def add_tablet(self, school_class: SchoolClass) -> Tablet:
        tablet = self.world.create_tablet(self.town)
        self.world.lend_tablet(tablet, self.world.create_pupil(school_class, Grade.CE2))
        return tablet


def compile_tablets(work: UnitOfWork, *tablets: Tablet) -> None:
    compute_desired_states(work, load_facts(work, [tablet.id for tablet in tablets]).values())


def load_situation(work: UnitOfWork, tablet: Tablet) -> tuple[Situation, PolicyData]:
    facts = load_facts(work, [tablet.id])
    policy = load_policy(work, facts.values())
    return build_situation(facts[tablet.id], policy, evaluate_modes(work, facts.values())[tablet.id]), policy


def read_dns(work: UnitOfWork, tablet: Tablet, mode: Mode) -> dict[str, Any]:
    return dict(build_mode_content(*load_situation(work, tablet), mode).composed_payloads[DNS])


def find_url(work: UnitOfWork, tablet: Tablet, mode: Mode) -> str:
    return str(read_dns(work, tablet, mode)["DNSSettings"]["ServerURL"])


def load_served(work: UnitOfWork, tablet: Tablet, mode: Mode) -> ResolverFilter:
    """Return what is stored for the address that a tablet is given."""
    token = find_token(find_url(work, tablet, mode))
    assert token is not None
    return ResolverFilter.from_json(FilterAddressRepository(work.session).find_by_tokens(tablet.town_id, [token])[token].filter)


def test_tablets_in_the_same_situation_share_an_address_and_so_do_modes_of_which_nothing_is_said(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.denied": ["jeu.example"]})
        first, second = room.tablets
        assert find_url(work, first, Mode.HOME) == find_url(work, second, Mode.HOME) == find_url(work, first, Mode.SCHOOL)
        assert find_url(work, first, Mode.NIGHT_REST) != find_url(work, first, Mode.HOME), "at night little is open"
        assert read_dns(work, first, Mode.HOME) == {
            "DNSSettings": {
                "DNSProtocol": "HTTPS",
                "ServerURL": find_url(work, first, Mode.HOME),
                "ServerAddresses": ["192.0.2.1", "192.0.2.2"],
            },
            "OnDemandRules": [
                {"Action": "Disconnect", "InterfaceTypeMatch": "WiFi", "SSIDMatch": ["ecole"]},
                {"Action": "Connect"},
            ],
            "ProhibitDisablement": True,
        }
        other = room.add_tablet(room.world.create_class(room.school, "CM1"))
        publish_document(work, room.town.id, PlaceKind.CLASS, str(room.school_class.id), {"all": {"allowCamera": False}})
        assert find_url(work, other, Mode.HOME) == find_url(work, first, Mode.HOME), "a document without the web has no address"
        publish_document(
            work, room.town.id, PlaceKind.CLASS, str(room.school_class.id), {"school": {"web.denied": ["b.example"]}}
        )
        assert find_url(work, other, Mode.HOME) == find_url(work, first, Mode.HOME)
        assert find_url(work, other, Mode.SCHOOL) != find_url(work, first, Mode.SCHOOL)


def test_a_changed_host_changes_what_is_served_and_no_profile(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.denied": ["jeu.example"], "web.safe_search": True, "web.restricted_video": "moderate"})
        room.town.host = "tablets.test"
        tablet = room.tablets[0]
        compile_tablets(work, *room.tablets)
        url, before = find_url(work, tablet, Mode.HOME), load_served(work, tablet, Mode.HOME)
        assert before.denied == {"jeu.example"}
        assert (before.safe_search, before.restricted_video) == (True, "moderate")
        assert {"mdm.test", "dns.test", "ent.test", "tablets.test"} | APPLE_HOSTS == before.always_open
        values = {"web.delivery": RESOLVER, "web.denied": ["autre.example"], "web.blocked_categories": ["games"]}
        publish_document(work, room.town.id, PlaceKind.TOWN, "", {"all": values})
        compile_tablets(work, *room.tablets)
        assert find_url(work, tablet, Mode.HOME) == url
        after = load_served(work, tablet, Mode.HOME)
        assert after.denied == {"autre.example"}
        assert "games" in after.blocked_categories
        content = build_mode_content(*load_situation(work, tablet), Mode.HOME)
        assert "web.blocked_categories" not in content.omitted_settings, "the resolver carries it"


def test_a_school_that_tries_new_lists_has_addresses_of_its_own_and_a_towns_own_sites_are_served(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.denied": ["ville.example"]})
        other_school = room.world.create_school(room.town)
        other = room.add_tablet(room.world.create_class(other_school))
        tablet = room.tablets[0]
        url = find_url(work, tablet, Mode.HOME)
        assert find_url(work, other, Mode.HOME) == url
        set_trial_schools(work, SYSTEM, room.town.id, [other_school.id], 24)
        set_own_hosts(work, SYSTEM, room.town.id, ["ecole.ville.example"])
        compile_tablets(work, tablet, other)
        assert find_url(work, other, Mode.HOME) != url
        assert find_url(work, tablet, Mode.HOME) == url, "schools that wait keep their addresses"
        served = load_served(work, tablet, Mode.HOME)
        assert decide_name(served, "www.ecole.ville.example", []).reason is VerdictReason.OWN_HOST
        assert decide_name(served, "ecole.ville.example", ["adult"]).reason is VerdictReason.BASELINE
        assert decide_name(served, "ville.example", []).reason is VerdictReason.DENIED
        assert [address.is_trial for address in FilterAddressRepository(work.session).list_served()].count(True) > 0


def test_computing_addresses_again_writes_nothing(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work)
        compile_tablets(work, *room.tablets)
        with count_statements(runtime.engine) as statements:
            compile_tablets(work, *room.tablets)
        assert not [text for text in statements if "filter_address" in text and not text.lstrip().startswith("SELECT")]
        assert len([text for text in statements if "filter_address" in text]) == 1


def test_a_version_that_is_rolled_out_is_served_apart_until_all_have_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work)
        early, late = room.tablets
        url = find_url(work, late, Mode.HOME)
        document = documents.open_document(work, SYSTEM, room.town.id, PlaceKind.TOWN, "")
        content = PolicyContent({"all": {"web.delivery": RESOLVER, "web.denied": ["jeu.example"]}})
        draft = life.save_draft(work, SYSTEM, document, life.Draft(content, reason="for a test"))
        life.publish(work, SYSTEM, document, draft.number, life.Stage(StageKind.TABLET, early.id), accept_shortage=True)
        compile_tablets(work, early, late)
        assert find_url(work, late, Mode.HOME) == url != find_url(work, early, Mode.HOME)
        assert not load_served(work, late, Mode.HOME).denied
        assert load_served(work, early, Mode.HOME).denied == {"jeu.example"}
        life.publish(work, SYSTEM, document, draft.number, accept_shortage=True)
        compile_tablets(work, early, late)
        assert find_url(work, early, Mode.HOME) == find_url(work, late, Mode.HOME) == url
        assert load_served(work, late, Mode.HOME).denied == {"jeu.example"}


def test_a_lesson_has_the_address_of_its_class_whatever_its_sites(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.teacher_unlockable": ["video.example"], "web.blocked_categories": ["audio-video"]})
        tablet = room.tablets[0]
        lesson = ClassSession(
            town_id=room.town.id, class_id=room.school_class.id, starts=work.now, ends=work.now + timedelta(hours=1),
            preset=SessionPreset.FREE, apps=[], sites=["video.example", "jeu.example"], started_by=None,
        )  # fmt: skip
        work.session.add(lesson)
        work.session.flush()
        compile_tablets(work, tablet)
        url, served = find_url(work, tablet, Mode.CLASS_SESSION), load_served(work, tablet, Mode.CLASS_SESSION)
        assert decide_name(served, "www.video.example", ["audio-video"]).reason is VerdictReason.PERMITTED
        assert decide_name(served, "video.example", ["adult"]).reason is VerdictReason.BASELINE
        lesson.preset, lesson.sites = SessionPreset.FOCUS_SITES, ["lecon.example"]
        work.session.flush()
        compile_tablets(work, tablet)
        assert find_url(work, tablet, Mode.CLASS_SESSION) == url
        served = load_served(work, tablet, Mode.CLASS_SESSION)
        assert decide_name(served, "www.lecon.example", []).decision is HostDecision.ALLOW
        assert decide_name(served, "autre.example", []).reason is VerdictReason.LESSON
        assert decide_name(served, "mdm.test", []).reason is VerdictReason.ALWAYS_OPEN


def test_the_address_of_a_lesson_that_is_over_serves_it_no_longer_although_a_tablet_may_still_ask_it(
    runtime: Runtime, clock: ManualClock
) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.denied": ["jeu.example"]})
        lesson = ClassSession(
            town_id=room.town.id, class_id=room.school_class.id, preset=SessionPreset.FOCUS_SITES, apps=[], sites=["lecon.example"],
            started_by=None, starts=work.now, ends=work.now + timedelta(minutes=30),
        )  # fmt: skip
        work.session.add(lesson)
        work.session.flush()
        in_class, absent = room.tablets
        compile_tablets(work, in_class)
        token = find_token(find_url(work, in_class, Mode.CLASS_SESSION))
        assert token is not None
        [facts] = load_facts(work, [absent.id]).values()
        work.session.add(ClassAbsence(town_id=room.town.id, pupil_id=facts.pupil_id, until=work.now + timedelta(hours=9)))
        work.session.flush()

        def is_limited() -> bool:
            served = FilterAddressRepository(work.session).find_by_tokens(room.town.id, [token])[token]
            work.session.refresh(served)
            return decide_name(ResolverFilter.from_json(served.filter), "autre.example", []).reason is VerdictReason.LESSON

        compile_tablets(work, absent)
        assert is_limited(), "a child who is absent ends no lesson"
        lesson.ends = work.now
        work.session.flush()
        compile_tablets(work, in_class)
        assert not is_limited()
        with count_statements(runtime.engine) as statements:
            compile_tablets(work, in_class)
        assert len([text for text in statements if "filter_address" in text]) == 1


def add_guardian_rule(work: UnitOfWork, tablet: Tablet, guardian: UUID, subject: str, **window: int) -> GuardianRule:
    [facts] = load_facts(work, [tablet.id]).values()
    assert facts.pupil_id is not None
    rule = GuardianRule(
        town_id=facts.town_id, pupil_id=facts.pupil_id, guardian_id=guardian, kind=GuardianRuleKind.ONLY_LISTED_SITES,
        subject=subject, written_at=work.now, **window,
    )  # fmt: skip
    work.session.add(rule)
    work.session.flush()
    return rule


def test_a_familys_list_tightens_at_home_and_leaves_school_and_other_children_alone(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.blocked_categories": ["games"]})
        child, classmate = room.tablets
        mother, father = new_id(), new_id()
        for guardian, subject in ((mother, "lumni.example"), (mother, "jeu.example"), (father, "www.lumni.example")):
            add_guardian_rule(work, child, guardian, subject)
        compile_tablets(work, child, classmate)
        assert find_url(work, child, Mode.SCHOOL) == find_url(work, classmate, Mode.SCHOOL)
        assert find_url(work, child, Mode.HOME) != find_url(work, classmate, Mode.HOME)
        home = load_served(work, child, Mode.HOME)
        assert home.guardian_hosts == frozenset({"www.lumni.example"}), "only what is in the lists of both"
        assert decide_name(home, "www.lumni.example", []).decision is HostDecision.ALLOW
        assert decide_name(home, "www.lumni.example", ["games"]).reason is VerdictReason.CATEGORY
        assert decide_name(home, "lumni.example", []).reason is VerdictReason.GUARDIAN
        assert load_served(work, classmate, Mode.HOME).guardian_hosts is None
        filter_at_home = build_mode_content(*load_situation(work, child), Mode.HOME).composed_payloads[FILTER]
        assert [each["URL"] for each in filter_at_home["AllowListBookmarks"]] == [
            "https://mdm.test:8443",
            "https://www.lumni.example",
        ]


def test_a_family_without_a_list_of_its_own_leaves_what_the_places_permit(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.permitted": ["lumni.example"]})
        for tablet in room.tablets:
            add_guardian_rule(work, tablet, new_id(), "")
        compile_tablets(work, *room.tablets)
        first, second = room.tablets
        assert find_url(work, first, Mode.HOME) == find_url(work, second, Mode.HOME), "the same rule is the same address"
        assert load_served(work, first, Mode.HOME).guardian_hosts == frozenset({"lumni.example"})


def test_a_familys_list_keeps_its_address_outside_its_hours(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work)
        tablet = room.tablets[0]
        add_guardian_rule(work, tablet, new_id(), "lumni.example", window_from=18 * 60, window_to=20 * 60)
        rule = add_guardian_rule(work, tablet, new_id(), "a.example")
        compile_tablets(work, tablet)
        url = find_url(work, tablet, Mode.HOME)
        rule.withdrawn_at = work.now
        work.session.flush()
        compile_tablets(work, tablet)
        assert find_url(work, tablet, Mode.HOME) == url


def test_without_a_resolver_nothing_of_it_is_in_any_profile_and_it_is_said(runtime: Runtime) -> None:
    without = replace(runtime, settings=runtime.settings.model_copy(update={"resolver_url": ""}))
    with without.open_unit_of_work() as work:
        room = ClassRoom(work)
        for mode in Mode:
            content = build_mode_content(*load_situation(work, room.tablets[0]), mode)
            assert DNS not in content.composed_payloads
            assert FILTER in content.composed_payloads
            assert "web.delivery" in content.omitted_settings


def test_one_trial_proves_the_resolver_for_every_mode(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        situation, policy = load_situation(work, ClassRoom(work).tablets[0])
        cutting = [split_cutting_content(build_mode_content(situation, policy, mode))[1] for mode in Mode]
        assert len({each.digest for each in cutting}) > 1
        assert len({compute_trial_digest(each) for each in cutting}) == 1


def test_newer_systems_get_a_declaration_that_may_fail_over(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.delivery": {"kind": "resolver", "when_away": "lenient"}})
        room.tablets[0].os_version = "27.0"
        work.session.flush()
        [state] = compute_desired_states(work, load_facts(work, [room.tablets[0].id]).values()).values()
        assert state.declaration_set is not None
        items = work.session.get_one(DeclarationSet, state.declaration_set).items
        dns = [each for each in items if each["Type"] == "com.apple.configuration.network.dns-settings"]
        assert {each["Payload"]["DNSSettings"]["AllowFailover"] for each in dns} == {True}
        url = find_url(work, room.tablets[0], Mode.HOME)
        [home] = [each["Identifier"] for each in dns if each["Payload"]["DNSSettings"]["ServerURL"] == url]
        [activation] = [each["Payload"] for each in items if home in each["Payload"].get("StandardConfigurations", ())]
        assert '(@property(mode) == "home")' in activation["Predicate"]
        assert "night_rest" not in activation["Predicate"]


HOSTS = st.lists(st.sampled_from(["adulte.example", "www.adulte.example", "example", "a.example"]), max_size=3)
ACCESS = ResolverAccess("https://dns.test", (), APPLE_HOSTS, str)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "web.denied": HOSTS,
            "web.permitted": HOSTS,
            "web.teacher_unlockable": HOSTS,
            "web.only_permitted": st.booleans(),
            "web.adult_heuristic": st.booleans(),
            "web.blocked_categories": st.lists(st.sampled_from(["games", "adult"]), max_size=2),
            "web.permitted_categories": st.lists(st.sampled_from(["games", *sorted(LEGAL_CATEGORIES)]), max_size=3),
        },
    ),
    HOSTS,
    st.none() | HOSTS,
    st.lists(HOSTS, max_size=2),
    HOSTS,
    st.sampled_from(sorted(LEGAL_CATEGORIES)),
)
def test_no_setting_of_a_town_a_teacher_or_a_family_opens_what_is_closed_to_every_child(
    values: dict[str, Any],
    unlocked: list[str],
    lesson: list[str] | None,
    lists: list[list[str]],
    own_hosts: list[str],
    category: str,
) -> None:
    served = build_resolver_filter(compose_filter(values, unlocked, lesson, lists), ACCESS, "mdm.test", frozenset(own_hosts))
    assert decide_name(served, "www.adulte.example", [category]).decision is HostDecision.BLOCK


@given(HOSTS, HOSTS, st.lists(HOSTS, max_size=2), st.sampled_from(["adulte.example", "www.adulte.example", "b.example"]))
def test_a_familys_list_never_opens(permitted: list[str], denied: list[str], lists: list[list[str]], host: str) -> None:
    values = {"web.permitted": permitted, "web.denied": denied, "web.blocked_categories": ["games"]}
    for categories in ([], ["games"]):
        without = decide_name(build_resolver_filter(compose_filter(values), ACCESS, "mdm.test"), host, categories)
        limited = decide_name(
            build_resolver_filter(compose_filter(values, (), None, lists), ACCESS, "mdm.test"), host, categories
        )
        assert limited.decision is HostDecision.BLOCK or without.decision is HostDecision.ALLOW


def test_the_detection_of_adult_content_stays_on_and_the_night_opens_only_what_is_permitted(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        room = ClassRoom(work, {"web.adult_heuristic": False, "web.permitted": ["sos.example"]})
        situation, policy = load_situation(work, room.tablets[0])
        for mode in Mode:
            built_in = build_mode_content(situation, policy, mode).composed_payloads[FILTER]
            assert built_in["AutoFilterEnabled"] is True
        compile_tablets(work, *room.tablets)
        night = load_served(work, room.tablets[0], Mode.NIGHT_REST)
        assert decide_name(night, "sos.example", []).decision is HostDecision.ALLOW
        assert decide_name(night, "a.example", []).reason is VerdictReason.NOT_PERMITTED
