"""The command `cartable colleague invite`: an account with a role in a town, whose owner chooses a password by the link that is printed."""

from __future__ import annotations

import argparse

from cartable.errors import NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.places.models import School, SchoolClass
from mdm.accounts import links
from mdm.cli.towns import find_school, find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    invite = parser.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "invite", help="create the account of a colleague and print a link that works once"
    )
    invite.add_argument("town", help="the short name of the town")
    invite.add_argument("login", help="what the person signs in with, such as an e-mail address")
    invite.add_argument("name", help="the name as colleagues read it")
    # A substitute comes for some days: the head calls one in the console. The operator has a command of their own.
    roles = [role for role in Role if role not in (Role.OPERATOR, Role.SUBSTITUTE)]
    invite.add_argument("--role", type=Role, choices=roles, required=True, help="docs/domain/roles.md says what each may do")
    invite.add_argument("--school", metavar="UAI", help="the school in which the role holds; without it in the whole town")
    invite.add_argument(
        "--class", dest="label", metavar="LABEL", help="the class of a teacher, as the roster writes it, such as 'CE2 A'"
    )
    invite.add_argument("--email", help="where alarms and links are sent; without it the login, if it is an address")
    invite.add_argument("--language", default="fr", help="the language in which the person is written to")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Create the account and print its link. Raises `NotFound`, `LoginTaken`, and what `roles.check_new_role` raises."""
    town = find_town(work, parsed.town)
    school = find_school(work, parsed.school, town) if parsed.school is not None else None
    link = links.invite(
        work, SYSTEM, login=parsed.login, display_name=parsed.name, role=parsed.role, town_id=town.id,
        school_id=school.id if school is not None else None,
        class_id=_find_class(work, school, parsed.label).id if parsed.label is not None else None, email=parsed.email, language=parsed.language,
    )  # fmt: skip
    print(f"{link.url}\n  {link.account.login}: works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC")


def _find_class(work: UnitOfWork, school: School | None, label: str) -> SchoolClass:
    """Return the class of this school year with a label. Raises `NotFound`."""
    classes = people.list_classes_by_school(work, SYSTEM, school.town_id).get(school.id, []) if school is not None else []
    folded_label = " ".join(label.split()).casefold()
    school_class = next((each for each in classes if each.label.casefold() == folded_label), None)
    if school_class is None:
        raise NotFound(field="class")
    return school_class
