"""Where roles hold: a teacher's class, a head's school, the operator's nowhere; and the roles that must have an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cartable.errors import Forbidden, Invalid, NotFound
from cartable.ids import new_id
from cartable.scope import SCOPES, SYSTEM, Actor, Permission, Role, RoleAssignment, RoleScope
from cartable.unit_of_work import Runtime
from enrollment.people import service as people
from enrollment.tablets import service as tablets
from enrollment.tablets.errors import TabletNotFound
from mdm.accounts import service
from mdm.care import overview
from mdm.care.overview_repository import TabletFilter
from tests.support.accounts import PASSWORD
from tests.support.world import TownFactory


def test_a_teacher_sees_the_own_class_alone(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        own, other = world.create_class(school, "CE2 A"), world.create_class(school, "CM1 B")
        lent, of_class, elsewhere = (world.create_tablet(town, school_id=school.id) for _ in range(3))
        pupil = world.create_pupil(own)
        world.lend_tablet(lent, pupil)
        of_class.class_id = own.id
        world.lend_tablet(elsewhere, world.create_pupil(other))
        world.session.flush()
        teacher = Actor(new_id(), "teacher", (RoleAssignment(Role.TEACHER, town.id, school.id, own.id),))
        rows = overview.list_tablets(work, teacher, TabletFilter()).items
        assert {row.tablet.id for row in rows} == {lent.id, of_class.id}
        assert people.list_pupils_of_class(work, teacher, own.id) == [pupil]
        assert [found.id for found in people.search_pupils(work, teacher, {town.id}, "MARTIN")] == [pupil.id]
        with pytest.raises(NotFound):
            people.list_pupils_of_class(work, teacher, other.id)
        with pytest.raises(TabletNotFound):
            tablets.get_tablet(work, teacher, elsewhere.id)
        assert not teacher.has_permission(Permission.SEE, town.id, school.id)
        assert not teacher.has_permission(Permission.TEACH, town.id, school.id, other.id)
        assert teacher.has_permission(Permission.TEACH, town.id, school.id, own.id)
        head = Actor(new_id(), "head", (RoleAssignment(Role.HEAD, town.id, school.id),))
        assert head.has_permission(Permission.TEACH, town.id, school.id, other.id)


def test_each_role_has_the_place_that_suits_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
        places = {
            RoleScope.TOWN: {},
            RoleScope.TOWN_OR_SCHOOL: {},
            RoleScope.SCHOOL: {"school_id": school.id},
            RoleScope.CLASS: {"school_id": school.id, "class_id": world.create_class(school).id},
        }
        foreign = world.create_class(world.create_school(town))
        end = work.now + timedelta(days=1)

        def create(role: Role, **place: Any) -> None:
            service.create_account(
                work, SYSTEM, login=str(new_id()), display_name="x", password=PASSWORD, role=role, town_id=town.id, **place
            )

        for role, scope in SCOPES.items():
            if scope is RoleScope.OPERATOR:
                with pytest.raises(Invalid):
                    create(role)
                continue
            create(role, **places[scope], ends_at=end)
            wrong = places[RoleScope.CLASS] if scope in (RoleScope.TOWN, RoleScope.SCHOOL) else None
            wrong = {} if scope is RoleScope.CLASS else wrong
            if wrong is not None:
                with pytest.raises(Invalid):
                    create(role, **wrong)
        with pytest.raises(Invalid) as refused:
            create(Role.SUBSTITUTE, **places[RoleScope.CLASS])
        assert refused.value.details == {"field": "ends_at"}
        with pytest.raises(NotFound):
            create(Role.TEACHER, school_id=school.id, class_id=foreign.id)


def test_the_operator_has_no_right_in_a_town() -> None:
    operator = Actor(new_id(), "operator", (RoleAssignment(Role.OPERATOR, None),))
    town_id = new_id()
    assert operator.operates()
    assert not any(operator.has_permission(permission, town_id) for permission in Permission)
    assert not any(operator.list_permitted_towns(permission) for permission in Permission)
    admin = Actor(new_id(), "admin", (RoleAssignment(Role.TOWN_ADMIN, town_id),))
    with pytest.raises(Forbidden):
        admin.require_operator()
