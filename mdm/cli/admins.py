"""The command `cartable admin create`: an administrator of a town, or an operator. Prints the link by which the person chooses a password."""

from __future__ import annotations

import argparse

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import links, operators
from mdm.accounts.repository import AccountRepository
from mdm.cli.towns import find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    create = parser.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "create",
        help="create an administrator and print a link that works once; once more while it was not used, print another link",
    )
    place = create.add_mutually_exclusive_group(required=True)
    place.add_argument("--town", metavar="SLUG", help="the short name of the town that the person administers")
    place.add_argument("--operator", action="store_true", help="the person makes towns and appoints their first administrators")
    create.add_argument("login", help="what the person signs in with, such as an e-mail address")
    create.add_argument("name", help="the name as colleagues read it")
    create.add_argument("--language", default="fr", help="the language in which the person is written to")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Create the account and print its link. Raises `NotFound`, `LoginTaken`."""
    account = AccountRepository(work.session).get_by_login(parsed.login.strip().lower())
    town = find_town(work, parsed.town) if parsed.town is not None else None
    if account is not None and account.password_changed_at is None and account.display_name == parsed.name.strip():
        link = links.create_link_for_login(work, parsed.login)
    elif town is not None:
        link = operators.appoint_administrator(
            work, SYSTEM, town.id, login=parsed.login, display_name=parsed.name, language=parsed.language
        )
    else:
        link = links.invite_operator(work, parsed.login, parsed.name)
    print(f"{link.url}\n  {link.account.login}: works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC")
