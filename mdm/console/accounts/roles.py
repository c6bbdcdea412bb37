"""The page that says what each role may do. It is made of the table of permissions itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable import scope
from cartable.scope import Permission, Role
from mdm.api.deps import WorkDep
from mdm.console.accounts.labels import PERMISSIONS, ROLES, SCOPES
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/roles")
def show_roles(request: Request, work: WorkDep) -> Response:
    """Show each role, where it holds, and what it may do."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    own = {assignment.role for assignment in actor.role_assignments}
    return render_page(
        request,
        "accounts/roles.html",
        roles=[
            {
                "label": ROLES[role].translate(language),
                "scope": SCOPES[scope.SCOPES[role]].translate(language),
                "ends": role in scope.TEMPORARY_ROLES,
                "is_own": role in own,
                "may": [PERMISSIONS[each].translate(language) for each in Permission if each in scope.PERMISSIONS[role]],
            }
            for role in Role
        ],
    )
