"""Publishing as people do it: risks are refused or confirmed, a town goes by stages, and what is large needs two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from cartable.alarms import Alarm, AlarmKind
from cartable.audit import AuditEvent
from cartable.errors import NotTrustedYet, ReauthenticationRequired, SamePerson
from cartable.i18n import list_available_languages
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards import budget, stop_switch
from enrollment.safeguards.errors import BudgetUsedUp, DestructiveCommandsStopped
from enrollment.safeguards.models import IrreversibleAct, StopSwitch
from profiles.effective import publishing
from profiles.effective.assessment import assess_draft
from profiles.effective.errors import CutsTabletsOff, RisksNotConfirmed
from profiles.effective.preview import preview
from profiles.effective.publishing import Publication
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.errors import AuthorNotTrusted, CannotPublish, ReasonRequired, RisksNeedStages, StageNotProved
from profiles.policy.kinds import PlaceKind, StageKind, VersionState
from profiles.policy.life import Stage
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.policy.reachability import ReachabilityRule
from profiles.schedule.modes import Mode
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.world import create_actor

NETWORK = {"SSID_STR": "ecole", "EncryptionType": "WPA2", "Password": "long enough"}
ONLY = {"all": {"forceWiFiToAllowedNetworksOnly": True}}
PROXY = {"all": {"proxy.http.global": {"ProxyType": "Manual", "ProxyServer": "proxy.ville.fr", "ProxyServerPort": 3128}}}
CLOSED = {"all": {"allowCamera": False}}


def save(work: UnitOfWork, document: PolicyDocument, values: dict[str, Any], actor: Actor = SYSTEM) -> int:
    """Save a draft and return its number."""
    return life.save_draft(work, actor, document, life.Draft(PolicyContent(values))).number


def publish(
    work: UnitOfWork, document: PolicyDocument, values: dict[str, Any], actor: Actor = SYSTEM, **publication: Any
) -> PolicyVersion:
    """Publish values for all tablets of a document."""
    publication = {"reason": "a reason", **publication}
    return publishing.publish(work, actor, document, save(work, document, values), Publication(**publication))


def find_rules(work: UnitOfWork, document: PolicyDocument, values: dict[str, Any]) -> dict[ReachabilityRule, tuple[int, int]]:
    """Return the rules that a draft breaks, with the numbers of modes and tablets."""
    findings = assess_draft(work, document, PolicyContent(values)).findings
    return {each.risk.rule: (len(each.modes), each.tablets) for each in findings}


def test_what_would_cut_tablets_off_is_refused_with_a_sentence_and_its_remedy(work: UnitOfWork, town: PolicyTown) -> None:
    with pytest.raises(CutsTabletsOff) as refusal:
        publish(work, town.open(work, PlaceKind.TOWN), ONLY, confirmation="whatever")
    risks: Any = refusal.value.details["risks"]
    assert [(risk["rule"], risk["tablets"], len(risk["modes"])) for risk in risks] == [("no_network", 6, len(Mode))]
    english, french = sorted(list_available_languages(), key=lambda language: language.code)
    assert "there is none that tablets join by themselves" in refusal.value.translate(english)
    assert refusal.value.translate(french) != refusal.value.translate(english)


def test_what_could_cut_tablets_off_needs_the_code_of_what_was_shown_and_then_goes_by_stages(
    work: UnitOfWork, town: PolicyTown
) -> None:
    document = town.open(work, PlaceKind.TOWN)
    shown = preview(work, document, PolicyContent(PROXY)).assessment
    assert [finding.risk.rule for finding in shown.findings] == [ReachabilityRule.PROXY_NOT_PROVED]
    number = save(work, document, PROXY)
    with pytest.raises(RisksNotConfirmed) as refusal:
        publishing.publish(work, SYSTEM, document, number, Publication(reason="a proxy"))
    assert refusal.value.details["confirmation"] == shown.confirmation
    with pytest.raises(RisksNeedStages):
        publication = Publication(at_once_reason="no time", confirmation=shown.confirmation)
        publishing.publish(work, SYSTEM, document, number, publication)
    version = publishing.publish(work, SYSTEM, document, number, Publication(confirmation=shown.confirmation))
    assert (version.state, version.advances, version.stage_target) == (VersionState.ROLLING, True, None)
    assert value_on(work, town.tablets[0][0], "proxy.http.global") is None, "it waits for its first tablet"
    [alarm] = work.session.query(Alarm)
    assert (alarm.kind, alarm.details["risks"]) == (AlarmKind.POLICY_RISK_CONFIRMED, ["proxy_not_proved"])


def test_what_could_cut_tablets_off_draws_on_the_budget_and_obeys_the_stop_switch(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    confirmation = assess_draft(work, document, PolicyContent(PROXY)).confirmation
    admin = create_actor(Role.TOWN_ADMIN, town.town)
    number = save(work, document, PROXY)
    budget.spend_budget(work, admin, town.town.id, IrreversibleAct.ERASE, 4)
    to_class = Publication(Stage(StageKind.CLASS, town.classes[0].id), confirmation=confirmation, at_once_reason=None)
    assert len(town.tablets[0]) > 1
    with pytest.raises(BudgetUsedUp):
        publishing.publish(work, admin, document, number, to_class)
    stop_switch.stop(work, admin, town.town.id, "odd")
    with pytest.raises(DestructiveCommandsStopped):
        publishing.publish(work, admin, document, number, Publication(confirmation=confirmation))
    work.session.execute(update(StopSwitch).values(stopped_at=None))
    publishing.publish(work, admin, document, number, Publication(confirmation=confirmation))
    with pytest.raises(BudgetUsedUp):  # the first tablet, which the server chooses, was the last one of the hour
        budget.spend_budget(work, admin, town.town.id, IrreversibleAct.LIFT)


def test_a_confirmation_is_for_the_values_that_were_shown(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    other = {"all": {"proxy.http.global": {**PROXY["all"]["proxy.http.global"], "ProxyServer": "other.ville.fr"}}}
    confirmation = assess_draft(work, document, PolicyContent(PROXY)).confirmation
    with pytest.raises(RisksNotConfirmed):
        publish(work, document, other, confirmation=confirmation)


def test_two_harmless_documents_of_different_places_are_found_together(work: UnitOfWork, town: PolicyTown) -> None:
    target = str(town.classes[0].id)
    town.publish(work, PlaceKind.CLASS, target, {"allowPasscodeModification": False})
    assert find_rules(work, town.open(work, PlaceKind.TOWN), {"all": {"forcePIN": True}}) == {
        ReachabilityRule.PASSCODE_IMPOSSIBLE: (len(Mode), 2)
    }
    town.publish(work, PlaceKind.GRADE, "CM2", {"forcePIN": True})
    assert find_rules(
        work, town.open(work, PlaceKind.SCHOOL, str(town.school.id)), {"home": {"allowPasscodeModification": False}}
    ) == {ReachabilityRule.PASSCODE_IMPOSSIBLE: (1, 2)}


def test_the_harm_is_found_in_a_class_by_a_lock_and_through_a_preset(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"wifi.managed": [NETWORK]})
    document = town.open(work, PlaceKind.CLASS, str(town.classes[0].id))
    assert find_rules(work, document, ONLY) == {}, "the network of the town is there already"
    # A lock of the town makes it hold in a class that says otherwise.
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"maxFailedAttempts": 11})
    town.publish(work, PlaceKind.PUPIL, town.pupil_of(work, town.tablets[0][0]), {"forcePIN": False})
    locked = PolicyContent({"all": {"maxFailedAttempts": 3, "wifi.managed": [NETWORK]}}, {"all": ["maxFailedAttempts"]})
    findings = assess_draft(work, town.open(work, PlaceKind.TOWN), locked).findings
    assert [(each.risk.rule, each.tablets) for each in findings] == [(ReachabilityRule.ERASES_ITSELF_SOON, 6)]


def test_a_place_without_tablets_is_looked_at_for_those_that_join_it(work: UnitOfWork, town: PolicyTown) -> None:
    assert find_rules(work, town.open(work, PlaceKind.GRADE, "CP"), ONLY) == {ReachabilityRule.NO_NETWORK: (len(Mode), 0)}


def test_what_was_in_force_before_does_not_stand_in_the_way_of_other_changes(work: UnitOfWork, town: PolicyTown) -> None:
    town.publish(work, PlaceKind.TOWN, "", {"maxFailedAttempts": 3})
    assert find_rules(work, town.open(work, PlaceKind.TOWN), {"all": {"maxFailedAttempts": 3, "allowCamera": False}}) == {}


def test_an_assessment_costs_the_same_number_of_statements_for_any_number_of_tablets(work: UnitOfWork, town: PolicyTown) -> None:
    def count_statements(document: PolicyDocument) -> int:
        counted: list[object] = []
        work.session.flush()
        bind = work.session.get_bind()
        listener = lambda *_: counted.append(None)  # noqa: E731
        event.listen(bind, "before_cursor_execute", listener)
        assess_draft(work, document, PolicyContent(CLOSED))
        event.remove(bind, "before_cursor_execute", listener)
        return len(counted)

    one = town.open(work, PlaceKind.TABLET, str(town.tablets[0][0].id))
    every = town.open(work, PlaceKind.TOWN)
    assert count_statements(one) == count_statements(every)


def test_a_town_goes_by_stages_unless_somebody_says_why_not(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    assert publish(work, document, CLOSED).state is VersionState.ROLLING
    life.stop(work, SYSTEM, document, "not now")
    version = publish(work, document, CLOSED, at_once_reason="an evaluation begins")
    assert (version.state, version.at_once_reason) == (VersionState.LIVE, "an evaluation begins")
    [audited] = work.session.query(AuditEvent).filter(AuditEvent.action == "alarm.policy_published_at_once")
    assert (audited.details["reason"], audited.details["tablets"]) == ("an evaluation begins", 6)


def test_a_class_or_apps_alone_go_at_once(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.CLASS, str(town.classes[0].id))
    assert publish(work, document, CLOSED).state is VersionState.LIVE
    blocked = {"all": {"blockedAppBundleIDs": ["fr.game"]}}
    assert publish(work, town.open(work, PlaceKind.TOWN), blocked).state is VersionState.LIVE


def test_a_stage_goes_further_only_when_it_has_proved_the_version(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    number = save(work, document, CLOSED)
    one, two = (life.Stage(StageKind.TABLET, town.tablets[0][0].id), life.Stage(StageKind.CLASS, town.classes[0].id))
    version = publishing.publish(work, SYSTEM, document, number, Publication(one))
    with pytest.raises(StageNotProved):
        publishing.publish(work, SYSTEM, document, number, Publication(two))
    publishing.record_stage_proved(work, document, number, one)
    assert (version.stage, version.stage_proved_at) == (StageKind.TABLET, work.now), "a person chose the stage, and goes on"
    assert publishing.publish(work, SYSTEM, document, number, Publication(two)).stage is StageKind.CLASS
    assert publishing.publish(work, SYSTEM, document, number, Publication(at_once_reason="no time")).state is VersionState.LIVE


def test_a_large_first_stage_needs_a_reason(work: UnitOfWork, town: PolicyTown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_FIRST_STAGE", 3)
    document = town.open(work, PlaceKind.TOWN)
    stage = life.Stage(StageKind.SCHOOL, town.school.id)
    with pytest.raises(ReasonRequired) as refusal:
        publish(work, document, CLOSED, stage=stage)
    assert refusal.value.details["field"] == "at_once_reason"
    assert publish(work, document, CLOSED, stage=stage, at_once_reason="a new school").state is VersionState.ROLLING


def test_a_new_risk_that_another_document_brings_stops_a_roll_out(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    version = publish(work, document, {"all": {"forcePIN": True}})
    publishing.choose_first_tablet(work, document, version.number, town.tablets[0][0].id)
    town.publish(work, PlaceKind.CLASS, str(town.classes[1].id), {"allowPasscodeModification": False})
    stage = life.Stage(StageKind.TABLET, town.tablets[0][0].id)
    publishing.record_stage_proved(work, document, version.number, stage)
    assert (version.state, version.stop_reason) == (
        VersionState.STOPPED, "new risks since it was confirmed: passcode_impossible",
    )  # fmt: skip


def test_many_tablets_at_once_need_a_publisher_who_is_not_the_author(
    work: UnitOfWork, town: PolicyTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SECOND_PERSON_ABOVE", 5)
    document = town.open(work, PlaceKind.TOWN)
    author, second = (create_actor(Role.TOWN_ADMIN, town.town, name=name) for name in ("author", "second"))
    number = save(work, document, CLOSED, author)
    at_once = Publication(at_once_reason="no time")
    for actor, refused in (
        (author, SamePerson),
        (replace(second, trusted_from=work.now + timedelta(hours=1)), NotTrustedYet),
        (replace(second, reauthenticated=False), ReauthenticationRequired),
    ):
        with pytest.raises(refused):
            publishing.publish(work, actor, document, number, at_once)
    puppet = replace(author, trusted_from=work.now + timedelta(hours=1))
    with pytest.raises(AuthorNotTrusted):
        publishing.publish(work, second, document, save(work, document, CLOSED, puppet), at_once)
    with pytest.raises(SamePerson):
        confirmation = assess_draft(work, document, PolicyContent(PROXY)).confirmation
        publishing.publish(work, author, document, save(work, document, PROXY, author), Publication(confirmation=confirmation))
    assert publishing.publish(work, second, document, number, at_once).state is VersionState.LIVE


def test_a_roll_out_to_a_town_needs_the_password_once_more(work: UnitOfWork, town: PolicyTown) -> None:
    admin = replace(create_actor(Role.TOWN_ADMIN, town.town), reauthenticated=False)
    document = town.open(work, PlaceKind.TOWN)
    with pytest.raises(ReauthenticationRequired):
        publish(work, document, CLOSED, admin)


def test_no_way_back_to_what_was_never_in_force_for_all(work: UnitOfWork, town: PolicyTown) -> None:
    document = town.open(work, PlaceKind.TOWN)
    stage = life.Stage(StageKind.TABLET, town.tablets[0][0].id)
    confirmation = assess_draft(work, document, PolicyContent(PROXY)).confirmation
    version = publish(work, document, PROXY, stage=stage, confirmation=confirmation)
    life.stop(work, SYSTEM, document, "it is dead")
    for number in (version.number, save(work, document, ONLY)):
        with pytest.raises(CannotPublish):
            life.roll_back(work, SYSTEM, document, number)
