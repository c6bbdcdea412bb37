"""Towns and schools are created, changed and closed by services: who may, what is refused, two people at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cartable.audit import list_events
from cartable.errors import DomainError, Forbidden, NotFound
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.places import service as places
from enrollment.places.errors import (
    HostTaken,
    InvalidHost,
    InvalidLostMessage,
    InvalidName,
    InvalidPhone,
    InvalidSlug,
    InvalidTagPrefix,
    SchoolExists,
    TownExists,
    UnknownTimeZone,
)
from enrollment.places.schools import SchoolLineOutcome, create_school, import_schools, read_schools, rename_school
from enrollment.places.towns import create_town, update_town
from enrollment.places.zones import HolidayZone
from enrollment.rollover.closing import SchoolNotEmpty, close_school, open_school
from enrollment.tablets.models import TabletState
from tests.support.world import TownFactory, create_actor

OPERATOR = Actor(new_id(), "operator", (RoleAssignment(Role.OPERATOR, None),))
LIST = "0922999K École Jules-Verne\n0929001J École Simone-Veil\n0922999X Faute\n".encode()


def test_the_operator_creates_a_town_and_sees_into_none(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = create_town(
            work, OPERATOR, name=" Saint-Denis  ", zone=HolidayZone.REUNION, support_phone="0262 40 00 00", lost_message="Merci."
        )
        assert (town.name, town.slug, town.tag_prefix, town.time_zone) == ("Saint-Denis", "saint-denis", "SAI", "Indian/Reunion")
        assert [each.action for each in list_events(work, town.id).items] == ["town.create"]
        assert places.list_towns(work, OPERATOR) == [town]
        for forbidden in (
            lambda: create_school(work, OPERATOR, town.id, "0922999K", "A"),
            lambda: update_town(work, OPERATOR, town.id, name="B", support_phone=None, lost_message=None),
            lambda: create_town(work, create_actor(Role.TOWN_ADMIN, town), name="Ailleurs"),
        ):
            with pytest.raises(Forbidden):
                forbidden()
        assert places.list_schools(work, OPERATOR, town.id) == []


def test_towns_whose_names_begin_alike_have_other_tags(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        prefixes = [create_town(work, SYSTEM, name=name).tag_prefix for name in ("Clamart", "Clairac", "Cla", "Clac")]
    assert prefixes == ["CLA", "CLAI", "CLA2", "CLAC"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": ""}, InvalidName),
        ({"name": "x" * 121}, InvalidName),
        ({"name": "Ville\x00"}, InvalidName),
        ({"name": "巴黎"}, InvalidSlug),
        ({"name": "Ville", "slug": "../etc"}, InvalidSlug),
        ({"name": "Ville", "slug": "x" * 41}, InvalidSlug),
        ({"name": "Ville", "tag_prefix": "a b"}, InvalidTagPrefix),
        ({"name": "77"}, InvalidTagPrefix),
        ({"name": "Ville", "time_zone": "Mars/Olympus"}, UnknownTimeZone),
        ({"name": "Ville", "support_phone": "call me"}, InvalidPhone),
        ({"name": "Ville", "lost_message": "x" * 201}, InvalidLostMessage),
        ({"name": "Ville", "slug": "taken"}, TownExists),
        ({"name": "Ville", "tag_prefix": "TAK"}, TownExists),
        ({"name": "Ville", "host": "https://tablets.ville.example"}, InvalidHost),
        ({"name": "Ville", "host": "tablets.ville.example:8443"}, InvalidHost),
        ({"name": "Ville", "host": "192.0.2.1"}, InvalidHost),
        ({"name": "Ville", "host": "server"}, InvalidHost),
        ({"name": "Ville", "host": "tablettes.é.example"}, InvalidHost),
        ({"name": "Ville", "host": f"{'a' * 64}.example"}, InvalidHost),
        ({"name": "Ville", "host": "x." * 125 + "example"}, InvalidHost),
        ({"name": "Ville", "host": "mdm.test"}, HostTaken),
        ({"name": "Ville", "host": "Tablets.Taken.Example."}, HostTaken),
    ],
)
def test_a_wrong_town_is_refused_whole(runtime: Runtime, values: dict[str, str], error: type[DomainError]) -> None:
    with runtime.open_unit_of_work() as work:
        create_town(work, SYSTEM, name="Taken", host="tablets.taken.example")
        with pytest.raises(error):
            create_town(work, SYSTEM, **values)  # type: ignore[arg-type]
        assert len(places.list_towns(work, SYSTEM)) == 1


def _run_both(runtime: Runtime, *acts: Callable[..., object]) -> list[str]:
    """Run acts at the same time, each in a unit of work of its own. Returns the code of each refusal, else `done`, sorted."""
    together = Barrier(len(acts))

    def run(act: Callable[..., object]) -> str:
        together.wait()
        try:
            with runtime.open_unit_of_work() as work:
                act(work)
        except DomainError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(run, acts))


def test_two_operators_create_one_town_at_once(runtime: Runtime) -> None:
    def create(work: object) -> object:
        return create_town(work, SYSTEM, name="Clamart")  # type: ignore[arg-type]

    assert _run_both(runtime, create, create) == ["done", "town_exists"]


def test_two_towns_add_one_school_at_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        first, second = create_town(work, SYSTEM, name="Clamart").id, create_town(work, SYSTEM, name="Meudon").id
    outcomes = _run_both(
        runtime,
        lambda work: create_school(work, SYSTEM, first, "0922999K", "École"),
        lambda work: create_school(work, SYSTEM, second, "0922999K", "École"),
    )
    assert outcomes == ["done", "school_exists"]


def test_a_list_of_schools_twice_creates_each_once(runtime: Runtime) -> None:
    outcome = SchoolLineOutcome
    with runtime.open_unit_of_work() as work:
        town, other = create_town(work, SYSTEM, name="Clamart"), create_town(work, SYSTEM, name="Meudon")
        admin = create_actor(Role.TOWN_ADMIN, town)
        first = import_schools(work, admin, town.id, read_schools(LIST))
        assert [report.outcome for report in first] == [outcome.CREATED, outcome.CREATED, outcome.INVALID_UAI]
        again = import_schools(work, admin, town.id, read_schools(b"\xef\xbb\xbf" + LIST + LIST[:20]))
        assert [report.outcome for report in again][:2] == [outcome.UNCHANGED] * 2
        assert len(places.list_schools(work, admin, town.id)) == 2
        elsewhere = import_schools(work, SYSTEM, other.id, read_schools(LIST))
        assert [report.outcome for report in elsewhere] == [outcome.OF_ANOTHER_TOWN, outcome.OF_ANOTHER_TOWN, outcome.INVALID_UAI]
        with pytest.raises(Forbidden):
            import_schools(work, create_actor(Role.TOWN_ADMIN, other), town.id, read_schools(LIST))


def test_a_school_is_renamed_and_closed_when_it_is_empty(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        admin = create_actor(Role.TOWN_ADMIN, town)
        school = create_school(work, admin, town.id, "0922999k", " École  A ")
        assert (school.uai, school.name) == ("0922999K", "École A")
        with pytest.raises(SchoolExists):
            create_school(work, admin, town.id, "0922999K", "B")
        assert rename_school(work, admin, school.id, "École B").name == "École B"
        world.create_pupil(world.create_class(school))
        tablet = world.create_tablet(town, school_id=school.id)
        with pytest.raises(SchoolNotEmpty) as refused:
            close_school(work, admin, school.id)
        assert refused.value.details == {"pupils": 1, "tablets": 1}
        pupils = world.session.query(type(world.create_pupil(world.create_class(school, "CP"))))
        pupils.delete()
        tablet.state = TabletState.DISPOSED
        assert close_school(work, admin, school.id).closed_on is not None
        assert places.list_schools(work, admin, town.id) == []
        assert places.list_schools(work, admin, town.id, include_closed=True) == [school]
        assert open_school(work, admin, school.id).closed_on is None
        with pytest.raises(NotFound):
            close_school(work, create_actor(Role.TOWN_ADMIN, world.create_town()), school.id)
        with pytest.raises(Forbidden):
            rename_school(work, create_actor(Role.HEAD, town, school), school.id, "C")
