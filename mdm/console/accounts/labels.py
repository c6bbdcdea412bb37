"""Labels of roles."""

from __future__ import annotations

from cartable.i18n import Message
from cartable.scope import Role

ROLES: dict[Role, Message] = {
    Role.TOWN_ADMIN: Message("Town administrator"),
    Role.TECHNICIAN: Message("Technician"),
    Role.HELPDESK: Message("Helpdesk"),
    Role.HEAD: Message("Head of a school"),
    Role.DPO: Message("Data protection officer"),
}
