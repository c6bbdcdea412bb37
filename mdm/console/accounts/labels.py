"""Labels of roles."""

from __future__ import annotations

from cartable.i18n import Message
from cartable.scope import Role

ROLES: dict[Role, Message] = {
    Role.OPERATOR: Message("Operator"),
    Role.TOWN_ADMIN: Message("Town administrator"),
    Role.TECHNICIAN: Message("Technician"),
    Role.HELPDESK: Message("Helpdesk"),
    Role.HEAD: Message("Head of a school"),
    Role.TEACHER: Message("Teacher"),
    Role.SUBSTITUTE: Message("Substitute teacher"),
    Role.AFTER_SCHOOL_AGENT: Message("After-school agent"),
    Role.DPO: Message("Data protection officer"),
}
