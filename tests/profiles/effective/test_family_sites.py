"""A family's list of sites limits the tablet itself where no resolver of the town does it: at home alone, and only that child's."""

from __future__ import annotations

from cartable.ids import new_id
from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from profiles.effective.situation import build_situation, compose_mode_filter, load_policy
from profiles.filters.payloads import FILTER, build_filter_payloads
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.profiles.apps.test_bundles import BundleTown
from tests.profiles.effective.test_resolving import add_guardian_rule


def test_a_familys_list_is_the_filter_of_the_tablet_itself(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        place = BundleTown(work)
        child, classmate = place.tablets[:2]
        add_guardian_rule(work, child, new_id(), "lumni.example")
        facts = load_facts(work, [child.id, classmate.id])
        policy, evaluations = load_policy(work, facts.values()), evaluate_modes(work, facts.values())
        situations = {each: build_situation(facts[each], policy, evaluations[each]) for each in facts}
        home = compose_mode_filter(situations[child.id], policy, Mode.HOME)
        payload = build_filter_payloads(home, supervised=True)[0][FILTER]
        assert payload["AllowListBookmarks"] == [{"URL": "https://lumni.example", "Title": "lumni.example"}]
        for tablet, mode in ((child, Mode.SCHOOL), (classmate, Mode.HOME)):
            assert compose_mode_filter(situations[tablet.id], policy, mode).only_open_hosts is None
