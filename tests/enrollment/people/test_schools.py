"""What a head has in hand: who left the roster and when the month is over, groups and support units, guardians and a court's decision,
substitutes who end by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people import schools
from enrollment.people.models import GroupKind, GuardianLink, PupilGroup, PupilGroupMember, PupilState, RosterState
from enrollment.rosters import absent_pupils
from enrollment.rosters.imports import service
from enrollment.tablets.models import Loan
from mdm.privacy import retention
from tests.enrollment.rosters.corpus.build import CUSTOM, build_csv, custom_line
from tests.enrollment.rosters.files import CHILD, GUARDIANS, ONDE, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario

YEAR = "2026-2027"


@pytest.fixture
def scenario(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def create_actor(scenario: SchoolScenario, role: Role, *, school: bool = False) -> Actor:
    return Actor(new_id(), role.value, (RoleAssignment(role, scenario.town.id, scenario.school.id if school else None),))


def test_who_leaves_the_roster_keeps_the_tablet_and_is_shown_to_the_head(scenario: SchoolScenario) -> None:
    head = create_actor(scenario, Role.HEAD, school=True)
    pupils = [onde_line(f"NOM{n}", "Zoé", ine=f"{n:010d}A") for n in range(12)]
    scenario.import_file(text_file(ONDE, *pupils))
    scenario.world.lend_tablet(scenario.world.create_tablet(scenario.town), scenario.get_pupil("NOM0 Zoé"))
    scenario.import_file(text_file(ONDE, *pupils[1:]))
    pupil = scenario.get_pupil("NOM0 Zoé")
    assert (pupil.state, pupil.class_id is not None) == (PupilState.ABSENT_FROM_ROSTER, True)
    [details] = absent_pupils.list_absent_pupils(scenario.work, head, scenario.school.id)
    assert (details.pupil.id, details.due_back, details.tag is not None) == (pupil.id, False, True)
    scenario.work.now += timedelta(days=30)
    assert not absent_pupils.list_absent_pupils(scenario.work, head, scenario.school.id)[0].due_back, (
        "thirty days, the last one included"
    )
    scenario.work.now += timedelta(days=1)
    assert absent_pupils.list_absent_pupils(scenario.work, head, scenario.school.id)[0].due_back
    acts = scenario.work.session.scalars(select(AuditEvent.action).where(AuditEvent.action == "school.absent")).all()
    assert len(acts) == 3
    scenario.work.now += timedelta(days=700)
    retention.apply_retention(scenario.work, scenario.admin, scenario.town.id)
    scenario.work.session.expire_all()
    assert scenario.get_pupil("NOM0 Zoé").state is PupilState.ABSENT_FROM_ROSTER, "never erased while the tablet is out"
    assert scenario.work.session.scalar(select(Loan).where(Loan.pupil_id == pupil.id)).closed_at is None  # type: ignore[union-attr]
    for wrong in (create_actor(scenario, Role.HELPDESK), create_actor(scenario, Role.DPO)):
        with pytest.raises((Forbidden, NotFound)):
            absent_pupils.list_absent_pupils(scenario.work, wrong, scenario.school.id)


def _groups(scenario: SchoolScenario) -> dict[tuple[str, str], set[str]]:
    scenario.work.session.expire_all()
    names = {pupil.id: name for name, pupil in scenario.get_pupils().items()}
    found: dict[tuple[str, str], set[str]] = {}
    for group in scenario.work.session.scalars(select(PupilGroup)):
        members = scenario.work.session.scalars(select(PupilGroupMember.pupil_id).where(PupilGroupMember.group_id == group.id))
        found[group.kind.value, group.label] = {names[each] for each in members}
    return found


def test_groups_and_support_units_are_kept_and_undone(scenario: SchoolScenario) -> None:
    first = build_csv(
        CUSTOM,
        custom_line("MARTIN", "Zoé", ine="1234567890A", groups="Chorale, Échecs", units="ULIS"),
        custom_line("PETIT", "Max", ine="1234567891A", groups="CHORALE"),
        custom_line("ROUX", "Eva", ine="1234567892A"),
    )
    scenario.import_file(first)
    before = _groups(scenario)
    assert before == {
        ("group", "Chorale"): {"MARTIN Zoé", "PETIT Max"}, ("group", "Échecs"): {"MARTIN Zoé"}, ("unit", "ULIS"): {"MARTIN Zoé"},
    }  # fmt: skip
    assert scenario.import_file(first).counts["unchanged"] == 3
    scenario.import_file(text_file(ONDE, *(onde_line(*name, born="14/03/2018", ine=f"123456789{n}A", label="CE1 A", number="101") for n, name in
                                enumerate([("MARTIN", "Zoé"), ("PETIT", "Max"), ("ROUX", "Eva")]))))  # fmt: skip
    assert _groups(scenario) == before, "a file without the columns tells nothing of groups"
    scenario.work.now += timedelta(minutes=1)
    changed = scenario.preview_file(build_csv(
        CUSTOM, custom_line("MARTIN", "Zoé", ine="1234567890A", units="UPE2A"), custom_line("PETIT", "Max", ine="1234567891A", groups="Chorale"),
        custom_line("ROUX", "Eva", ine="1234567892A", groups="Chorale"),
    ))  # fmt: skip
    assert [(kind, why) for _, kind, why in scenario.list_lines(changed)] == [
        ("renamed", ("groups",)), ("unchanged", ()), ("renamed", ("groups",)),
    ]  # fmt: skip
    service.confirm_import(scenario.work, scenario.admin, changed.id)
    assert _groups(scenario) == {
        ("group", "Chorale"): {"PETIT Max", "ROUX Eva"}, ("group", "Échecs"): set(), ("unit", "ULIS"): set(), ("unit", "UPE2A"): {"MARTIN Zoé"},
    }  # fmt: skip
    service.undo_import(scenario.work, scenario.admin, changed.id)
    assert _groups(scenario) == before


def test_support_units_are_shown_to_the_head_alone(scenario: SchoolScenario) -> None:
    scenario.import_file(build_csv(CUSTOM, custom_line("MARTIN", "Zoé", groups="Chorale", units="ULIS")))
    kinds_by_role = {
        role: {
            group.kind
            for group, _ in schools.list_groups(
                scenario.work, create_actor(scenario, role, school=role is Role.HEAD), scenario.school.id, YEAR
            )
        }
        for role in (Role.HEAD, Role.TOWN_ADMIN, Role.TECHNICIAN, Role.HELPDESK)
    }
    everything = {GroupKind.GROUP, GroupKind.UNIT}
    assert kinds_by_role == {
        Role.HEAD: everything, Role.TOWN_ADMIN: everything, Role.TECHNICIAN: {GroupKind.GROUP}, Role.HELPDESK: {GroupKind.GROUP},
    }  # fmt: skip


def test_a_courts_decision_is_seen_by_head_and_town_alone_and_no_import_moves_it(scenario: SchoolScenario) -> None:
    scenario.import_file(text_file(ONDE, onde_line("MARTIN", "Zoé"), onde_line("PETIT", "Max")))
    both = [f"MME;;MARTIN;{first};;;;;;;;;;MARTIN;Zoé;CE1 A" for first in ("Nadia", "Karim")]
    header = GUARDIANS.format(desk="") + CHILD
    scenario.import_file(text_file(header, *both))
    pupil, head = scenario.get_pupil("MARTIN Zoé"), create_actor(scenario, Role.HEAD, school=True)
    nadia = scenario.get_guardians()["Nadia"][0]
    schools.set_court_order(scenario.work, head, pupil.id, nadia.id, in_force=True)
    for actor in (head, scenario.admin):
        flags_by_name = {
            guardian.first_name: link.court_order for guardian, link in schools.list_guardians(scenario.work, actor, pupil.id)
        }
        assert flags_by_name == {"Nadia": True, "Karim": False}
    for role in (Role.TECHNICIAN, Role.HELPDESK, Role.DPO):
        with pytest.raises((Forbidden, NotFound)):
            schools.list_guardians(scenario.work, create_actor(scenario, role), pupil.id)
    assert scenario.import_file(text_file(header, *both)).counts["unchanged"] == 2
    moved = scenario.import_file(text_file(header, both[0].replace(";MARTIN;Zoé;", ";PETIT;Max;"), both[1]))
    scenario.work.session.expire_all()
    scenario.work.now += timedelta(minutes=1)
    service.undo_import(scenario.work, scenario.admin, moved.id)
    scenario.work.session.expire_all()
    flags = {link.guardian_id: link.court_order for link in scenario.work.session.scalars(select(GuardianLink))}
    assert flags[nadia.id] is True
    details = scenario.work.session.scalars(select(AuditEvent.details).where(AuditEvent.action == "guardian.flag")).all()
    assert list(details) == [{}], "the trail does not say which way"
    with pytest.raises(NotFound):
        schools.set_court_order(scenario.work, head, pupil.id, new_id(), in_force=True)


def test_a_substitute_is_named_this_morning_and_ends_tonight(scenario: SchoolScenario) -> None:
    head = create_actor(scenario, Role.HEAD, school=True)
    scenario.import_file(text_file(ONDE, onde_line("MARTIN", "Zoé")))
    [class_id] = scenario.get_class_labels()
    scenario.work.now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    made = schools.add_substitute(scenario.work, head, scenario.school.id, class_id, "BRIGADE", "Ali")
    assert (made.starts_on, made.ends_on) == (date(2026, 11, 23), date(2026, 11, 23))
    longer = schools.add_substitute(scenario.work, head, scenario.school.id, class_id, "ZIL", "Bea", date(2026, 11, 27))

    def present() -> list[str]:
        return [member.last_name for _, member in schools.list_substitutes(scenario.work, head, scenario.school.id)]

    scenario.work.now = datetime(2026, 11, 23, 22, 59, tzinfo=UTC)  # 23:59 in Paris
    assert sorted(present()) == ["BRIGADE", "ZIL"]
    scenario.work.now = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)  # midnight in Paris
    assert present() == ["ZIL"]
    schools.end_substitute(scenario.work, head, longer.id)
    assert present() == []
    assert scenario.import_file(text_file(ONDE, onde_line("MARTIN", "Zoé"))).counts["unchanged"] == 1
    member = scenario.get_staff()["Ali"][0]
    assert member.state is RosterState.ABSENT_FROM_ROSTER
    scenario.work.now = datetime(2027, 11, 10, tzinfo=UTC)
    retention.apply_retention(scenario.work, scenario.admin, scenario.town.id)
    assert "Ali" not in scenario.get_staff(), "the name ends with the school year"


def test_a_substitute_overseas_ends_at_midnight_there_and_only_where_the_head_may(scenario: SchoolScenario) -> None:
    scenario.town.time_zone = "Indian/Reunion"
    scenario.import_file(text_file(ONDE, onde_line("MARTIN", "Zoé")))
    [class_id] = scenario.get_class_labels()
    head = create_actor(scenario, Role.HEAD, school=True)
    scenario.work.now = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)  # 23:00 there
    schools.add_substitute(scenario.work, head, scenario.school.id, class_id, "BRIGADE", "Ali")
    scenario.work.now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    assert schools.list_substitutes(scenario.work, head, scenario.school.id) == []
    other = scenario.world.create_school(scenario.town)
    with pytest.raises(NotFound):
        schools.add_substitute(scenario.work, head, other.id, class_id, "X", "Y")
    with pytest.raises(NotFound):
        schools.add_substitute(scenario.work, scenario.admin, other.id, class_id, "X", "Y")
    with pytest.raises(Forbidden):
        schools.add_substitute(scenario.work, create_actor(scenario, Role.HELPDESK), scenario.school.id, class_id, "X", "Y")
    for day in (date(2026, 11, 1), date(2027, 6, 1)):
        with pytest.raises(Invalid):
            schools.add_substitute(scenario.work, head, scenario.school.id, class_id, "X", "Y", day)
