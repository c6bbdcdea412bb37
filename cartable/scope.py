"""Actors, their permissions and tenant isolation: the only module that limits a query to what an actor may see.

See docs/domain/roles.md#permissions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, true

from cartable.errors import Forbidden, NotTrustedYet, ReauthenticationRequired, SamePerson

S = TypeVar("S", bound="Select[*tuple[Any, ...]]")


class Permission(StrEnum):
    """Permissions, named by what they allow."""

    SEE = "see"
    CARE = "care"  # lost mode, lock, refresh
    LOCATE = "locate"  # ask for the position of a lost tablet
    HANDLE = "handle"  # prepare and hand over: invitations, custody
    AUTHOR = "author"  # bundles, filters, calendars, exports
    ROSTER = "roster"  # import rosters, name substitutes
    LEAD = "lead"  # a school's own matters: what becomes of its pupils, its lists handed out
    DESTROY = "destroy"  # erase
    FAMILY = "family"  # guardians, what a court decided between them, support units
    GOVERN = "govern"  # accounts, push certificate
    PRIVACY = "privacy"  # retention, one child's data, who read it, requests and breaches
    TEACH = "teach"  # class sessions
    ACTIVITY = "activity"  # activities of the after-school time
    OPERATE = "operate"  # towns, and who administers a new one


class RoleScope(StrEnum):
    """Where a role holds."""

    OPERATOR = "operator"  # the server itself, no town
    TOWN = "town"
    TOWN_OR_SCHOOL = "town_or_school"
    SCHOOL = "school"
    CLASS = "class"


class Role(StrEnum):
    """The roles of people who sign in."""

    OPERATOR = "operator"  # makes towns, and sees into none
    TOWN_ADMIN = "town_admin"
    TECHNICIAN = "technician"
    HELPDESK = "helpdesk"
    HEAD = "head"
    TEACHER = "teacher"
    SUBSTITUTE = "substitute"  # a teacher for some days
    AFTER_SCHOOL_AGENT = "after_school_agent"
    DPO = "dpo"  # reads no names, but those of a request


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OPERATOR: frozenset({Permission.OPERATE}),
    Role.TOWN_ADMIN: frozenset(Permission) - {Permission.OPERATE},
    Role.TECHNICIAN: frozenset({Permission.SEE, Permission.CARE, Permission.HANDLE, Permission.ROSTER}),
    Role.HELPDESK: frozenset({Permission.SEE, Permission.CARE, Permission.LOCATE}),
    Role.HEAD: frozenset(
        {Permission.SEE, Permission.CARE, Permission.ROSTER, Permission.LEAD, Permission.FAMILY, Permission.TEACH}
    ),
    Role.TEACHER: frozenset({Permission.SEE, Permission.TEACH}),
    Role.SUBSTITUTE: frozenset({Permission.SEE, Permission.TEACH}),
    Role.AFTER_SCHOOL_AGENT: frozenset({Permission.ACTIVITY}),
    Role.DPO: frozenset({Permission.PRIVACY}),
}
SCOPES: dict[Role, RoleScope] = {
    Role.OPERATOR: RoleScope.OPERATOR,
    Role.TOWN_ADMIN: RoleScope.TOWN,
    Role.TECHNICIAN: RoleScope.TOWN_OR_SCHOOL,
    Role.HELPDESK: RoleScope.TOWN_OR_SCHOOL,
    Role.HEAD: RoleScope.SCHOOL,
    Role.TEACHER: RoleScope.CLASS,
    Role.SUBSTITUTE: RoleScope.CLASS,
    Role.AFTER_SCHOOL_AGENT: RoleScope.SCHOOL,
    Role.DPO: RoleScope.TOWN,
}
#: Roles of people who come for a time: the assignment must have an end.
TEMPORARY_ROLES = frozenset({Role.SUBSTITUTE})


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role in one town, in one of its schools when `school_id` is set, in one class of it when `class_id` is set too.

    Without a town it is a role of the operator, which holds in no town. `only` leaves it some of its permissions: those of a service token.
    """

    role: Role
    town_id: UUID | None
    school_id: UUID | None = None
    class_id: UUID | None = None
    only: frozenset[Permission] | None = None

    def allows(self, permission: Permission) -> bool:
        """Return whether the role has a permission, where it holds."""
        return permission in PERMISSIONS[self.role] and (self.only is None or permission in self.only)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `account_id` is None for the server itself and for the operator at the command line.

    With `everywhere` the actor has every permission in every town. `reauthenticated`: the password was given once more in the last
    minutes. `trusted_from`: from when on the actor counts as one of two people; None: already now.
    """

    account_id: UUID | None
    name: str
    role_assignments: tuple[RoleAssignment, ...] = field(default=())
    everywhere: bool = False
    reauthenticated: bool = True
    trusted_from: datetime | None = None

    def has_permission(
        self, permission: Permission, town_id: UUID, school_id: UUID | None = None, class_id: UUID | None = None
    ) -> bool:
        """Return whether the actor has `permission` there. A role in a school does not count for the whole town, nor one in a class
        for the school.
        """
        if self.everywhere:
            return True
        return any(
            grant.allows(permission)
            and grant.town_id == town_id
            and (grant.school_id is None or grant.school_id == school_id)
            and (grant.class_id is None or grant.class_id == class_id)
            for grant in self.role_assignments
        )

    def operates(self) -> bool:
        """Return whether the actor is the operator, who makes towns."""
        return self.everywhere or any(grant.allows(Permission.OPERATE) for grant in self.role_assignments)

    def require_operator(self) -> None:
        """Raise `Forbidden` unless the actor is the operator."""
        if not self.operates():
            raise Forbidden(permission=Permission.OPERATE.value)

    def has_permission_somewhere(self, permission: Permission, town_id: UUID) -> bool:
        """Return whether the actor has `permission` in the town, or in a school or class of it."""
        return self.everywhere or any(grant.allows(permission) and grant.town_id == town_id for grant in self.role_assignments)

    def has_permission_in_school(self, permission: Permission, town_id: UUID, school_id: UUID | None) -> bool:
        """Return whether the actor has `permission` in the school, or in a class of it; without a school, in the whole town."""
        return self.everywhere or any(
            grant.allows(permission)
            and grant.town_id == town_id
            and (grant.school_id is None or (school_id is not None and grant.school_id == school_id))
            for grant in self.role_assignments
        )

    def require_permission(
        self, permission: Permission, town_id: UUID, school_id: UUID | None = None, class_id: UUID | None = None
    ) -> None:
        """Raise `Forbidden` unless the actor has `permission` there."""
        if not self.has_permission(permission, town_id, school_id, class_id):
            raise Forbidden(permission=permission.value)

    def require_reauthentication(self) -> None:
        """Raise `ReauthenticationRequired` unless the actor has given the password once more in the last minutes."""
        if not self.reauthenticated:
            raise ReauthenticationRequired

    def require_trust(self, now: datetime) -> None:
        """Raise `NotTrustedYet` if the actor is too new to be one of two people: whoever has stolen a session can make accounts."""
        if self.trusted_from is not None and now < self.trusted_from:
            raise NotTrustedYet(trusted_from=f"{self.trusted_from:%Y-%m-%d %H:%M}")

    def require_second_person(self, now: datetime, requested_by: UUID | None) -> None:
        """Raise `SamePerson`, `NotTrustedYet` or `ReauthenticationRequired` unless the actor may approve what `requested_by` requested."""
        if requested_by == self.account_id:
            raise SamePerson
        self.require_trust(now)
        self.require_reauthentication()

    def list_permitted_towns(self, permission: Permission) -> set[UUID]:
        """Return the towns in which the actor has `permission`, even for one school or class only. Empty for the server itself."""
        return {grant.town_id for grant in self.role_assignments if grant.town_id is not None and grant.allows(permission)}

    def list_own_towns(self) -> set[UUID]:
        """Return the towns in which the actor has any role. Empty for the server itself."""
        return {grant.town_id for grant in self.role_assignments if grant.town_id is not None}

    def build_visibility(self, model: Any, permission: Permission = Permission.SEE) -> ColumnElement[bool]:
        """Return the SQL condition for the rows of `model` (with `town_id`, maybe `school_id`) that the actor may see.

        Of a class a model shows what its method `is_of_class` says; a model without this method shows nothing.
        """
        if self.everywhere:
            return true()
        has_school = hasattr(model, "school_id")
        conditions = []
        for grant in self.role_assignments:
            if not grant.allows(permission) or grant.town_id is None:
                continue
            if grant.class_id is not None:
                if hasattr(model, "is_of_class"):
                    conditions.append(and_(model.town_id == grant.town_id, model.is_of_class(grant.class_id)))
            elif grant.school_id is None:
                conditions.append(model.town_id == grant.town_id)
            elif has_school:
                conditions.append(and_(model.town_id == grant.town_id, model.school_id == grant.school_id))
        return or_(*conditions) if conditions else false()

    def restrict(self, statement: S, model: Any, permission: Permission = Permission.SEE) -> S:
        """Return `statement`, limited to the rows of `model` that the actor may see."""
        return statement.where(self.build_visibility(model, permission))


#: The server acting by itself: scheduled jobs, results from tablets, first set-up.
SYSTEM = Actor(account_id=None, name="system", everywhere=True)
