"""Pure rules of roles: where each may hold, and which must have an end. See docs/domain/roles.md#permissions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cartable.scope import SCOPES, TEMPORARY_ROLES, Role, RoleScope

_NEEDS_SCHOOL = frozenset({RoleScope.SCHOOL, RoleScope.CLASS})
_MAY_HAVE_SCHOOL = _NEEDS_SCHOOL | {RoleScope.TOWN_OR_SCHOOL}


def find_wrong_field(
    role: Role, town_id: UUID | None, school_id: UUID | None, class_id: UUID | None, ends_at: datetime | None
) -> str | None:
    """Return the field of a role assignment that does not suit the role: a head without a school, a substitute without an end; or None."""
    scope = SCOPES[role]
    if (town_id is None) != (scope is RoleScope.OPERATOR):
        return "town_id"
    if (school_id is None and scope in _NEEDS_SCHOOL) or (school_id is not None and scope not in _MAY_HAVE_SCHOOL):
        return "school_id"
    if (class_id is None) == (scope is RoleScope.CLASS):
        return "class_id"
    return "ends_at" if ends_at is None and role in TEMPORARY_ROLES else None
