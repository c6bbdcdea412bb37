"""From the rules of places to the answers of the real resolver: what the server explains of a name is what a tablet is answered."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import UUID

import pytest

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade, Town
from profiles.effective.desired_states import compute_desired_states
from profiles.effective.explain_web import explain_host_at_place
from profiles.effective.resolving import find_address
from profiles.effective.situation import build_situation, load_policy
from profiles.filters.resolver_access import find_token
from profiles.filters.rules import HostDecision
from profiles.policy.kinds import PlaceKind
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.interop.resolver.conftest import ResolverTown
from tests.support.policy import publish_document
from tests.support.waiting import wait_until
from tests.support.world import TownFactory

LISTS = {"adult": "adulte.example\nsante.example\n", "games": "jeux.example\n", "sexual_education": "sante.example\n"}
MODES = (Mode.SCHOOL, Mode.HOME, Mode.NIGHT_REST)


@pytest.fixture(scope="module")
def tablet_id(town: ResolverTown) -> UUID:
    """A tablet of a child in CE2, whose rules differ by mode."""
    town.import_lists(LISTS)
    with town.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        tablet = world.create_tablet(work.session.get_one(Town, town.town_id))
        school_class = world.create_class(world.create_school(work.session.get_one(Town, town.town_id)))
        world.lend_tablet(tablet, world.create_pupil(school_class, Grade.CE2))
        delivery = {"web.delivery": {"kind": "resolver"}, "web.permitted_categories": ["sexual_education"]}
        publish_document(work, town.town_id, PlaceKind.TOWN, "", {"all": {**delivery, "web.permitted": ["sos.example"]}})
        _publish_grade(work, town, ["interdit.example"])
        return tablet.id


def _publish_grade(work: UnitOfWork, town: ResolverTown, denied: list[str]) -> None:
    values: dict[str, dict[str, Any]] = {
        "home": {"web.blocked_categories": ["games"], "web.denied": denied},
        "school": {"web.only_permitted": True, "web.permitted": ["lecon.example", "adulte.example"]},
    }
    publish_document(work, town.town_id, PlaceKind.GRADE, "CE2", values)


def compile_tablet(work: UnitOfWork, tablet_id: UUID) -> dict[Mode, str]:
    """Store what is served for a tablet, as the worker does, and return the tokens of its addresses by mode."""
    facts = load_facts(work, [tablet_id])
    compute_desired_states(work, facts.values())
    policy = load_policy(work, facts.values())
    situation = build_situation(facts[tablet_id], policy, evaluate_modes(work, facts.values())[tablet_id])
    addresses = {mode: find_address(situation, policy, mode) for mode in MODES}
    return {mode: find_token(address.url) or "" for mode, address in addresses.items() if address is not None}


def test_what_is_explained_of_a_thousand_names_is_what_is_answered(town: ResolverTown, tablet_id: UUID) -> None:
    with town.runtime.open_unit_of_work() as work:
        tokens = compile_tablet(work, tablet_id)
    town.wait_for({mode.value: token for mode, token in tokens.items()})
    assert wait_until(town.knows_all_lists)
    chance = random.Random(4)
    domains = [
        "adulte.example",
        "sante.example",
        "jeux.example",
        "lecon.example",
        "sos.example",
        "interdit.example",
        "autre.example",
    ]
    domains += ["gateway.push.apple.com", "mask.icloud.com"]
    names = {chance.choice(["", "www.", "a.b.", "c."]) + chance.choice(domains) for _ in range(400)}
    names |= {f"{chance.randrange(10**6)}.{chance.choice(domains)}" for _ in range(340 - len(names))}
    with town.runtime.open_unit_of_work() as work:
        explained = {
            (mode, name): explain_host_at_place(work, town.town_id, "CE2", None, mode, name).wanted.verdict.decision
            for mode in MODES
            for name in names
        }
    assert len(explained) >= 1000

    def list_differing() -> list[tuple[Mode, str]]:
        return [
            (mode, name)
            for (mode, name), decision in explained.items()
            if (town.resolve(tokens[mode], name) is not None) is not (decision is HostDecision.ALLOW)
        ]

    # A process of the resolver may take up a list a moment after the one that was asked whether it knows all.
    assert wait_until(lambda: not list_differing()), list_differing()[:10]
    assert not [name for (mode, name), decision in explained.items() if "adulte" in name and decision is HostDecision.ALLOW]


def test_a_published_host_is_closed_within_seconds_at_the_same_address(town: ResolverTown, tablet_id: UUID) -> None:
    with town.runtime.open_unit_of_work() as work:
        token = compile_tablet(work, tablet_id)[Mode.HOME]
    town.wait_for({"home": token})
    assert town.resolve(token, "nouveau.example") is not None
    started = time.monotonic()
    with town.runtime.open_unit_of_work() as work:
        _publish_grade(work, town, ["interdit.example", "nouveau.example"])
        assert compile_tablet(work, tablet_id)[Mode.HOME] == token
    assert wait_until(lambda: town.resolve(token, "www.nouveau.example") is None, 30)
    assert time.monotonic() - started < 10
