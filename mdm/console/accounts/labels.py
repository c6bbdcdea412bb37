"""Labels of roles, of what each permission allows, and of where a role holds."""

from __future__ import annotations

from cartable.i18n import Message
from cartable.scope import Permission, Role, RoleScope

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
PERMISSIONS: dict[Permission, Message] = {
    Permission.SEE: Message("see tablets and the pupils who have them"),
    Permission.CARE: Message("lock a tablet as lost and lift it, sound, lock, refresh, report breakages"),
    Permission.LOCATE: Message("ask for the position of a lost tablet"),
    Permission.HANDLE: Message("prepare, lend and take back tablets; invitations, carts, repairs"),
    Permission.AUTHOR: Message("write apps, rules, web filter, hours, calendar; schools"),
    Permission.ROSTER: Message("import rosters, name substitutes"),
    Permission.LEAD: Message("decide what becomes of pupils at the end of the year"),
    Permission.DESTROY: Message("erase tablets"),
    Permission.FAMILY: Message("see guardians and what a court decided between them, support units"),
    Permission.GOVERN: Message("invite colleagues, give and end roles, call technicians"),
    Permission.PRIVACY: Message("retention, one child's data, who read it, requests, breaches, the whole audit trail"),
    Permission.TEACH: Message("start, extend and end class sessions"),
    Permission.ACTIVITY: Message("start and end after-school activities, with first names and tags"),
    Permission.OPERATE: Message("make towns and appoint the first administrator of each"),
}
SCOPES: dict[RoleScope, Message] = {
    RoleScope.OPERATOR: Message("the server; no town", context="scope"),
    RoleScope.TOWN: Message("the whole town", context="scope"),
    RoleScope.TOWN_OR_SCHOOL: Message("the town or one school", context="scope"),
    RoleScope.SCHOOL: Message("one school", context="scope"),
    RoleScope.CLASS: Message("one class", context="scope"),
}
