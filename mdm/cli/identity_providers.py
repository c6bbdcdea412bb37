"""The command `cartable provider`: the identity providers of a town, and the roles that their groups give."""

from __future__ import annotations

import argparse
from pathlib import Path
from uuid import UUID

from cartable.errors import Invalid, NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.oidc import providers
from mdm.accounts.oidc.models import IdentityProvider
from mdm.accounts.oidc.service import CALLBACK_PATH
from mdm.cli.towns import find_school, find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="enter a provider; once more with the same issuer it is changed")
    create.add_argument("town", help="the short name of the town")
    create.add_argument("issuer", help="the address of the provider, as it publishes it")
    create.add_argument("--name", required=True, help="what people read on the button")
    create.add_argument("--client-id", required=True)
    create.add_argument("--secret-file", type=Path, help="a file with the client secret; without it the former one stays")
    create.add_argument("--claim", default=providers.DEFAULT_CLAIM, help="the claim with the groups of a person")
    create.add_argument("--scopes", default=providers.DEFAULT_SCOPES)
    actions.add_parser("list", help="show the providers of a town and what their groups give").add_argument("town")
    for name, text in (("map", "let a group give a role"), ("unmap", "let a group give a role no longer")):
        action = actions.add_parser(name, help=text)
        action.add_argument("provider", type=UUID, help="the id of the provider, as `list` shows it")
        action.add_argument("group")
        action.add_argument("role", type=Role, choices=list(Role))
        action.add_argument("--school", metavar="UAI", help="in this school; without it in the whole town")
    for name, text in (("on", "let people sign in there"), ("off", "let nobody sign in there")):
        actions.add_parser(name, help=text).add_argument("provider", type=UUID)


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one action. Raises `NotFound`, and what `providers` raises."""
    match parsed.action:
        case "create":
            _save(work, parsed)
        case "list":
            for provider, _ in providers.list_providers(work, SYSTEM, find_town(work, parsed.town).id).items:
                _show(work, provider)
        case "on" | "off":
            _show(work, providers.set_provider_active(work, SYSTEM, parsed.provider, active=parsed.action == "on"))
        case _:
            _map(work, parsed)


def _save(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    town = find_town(work, parsed.town)
    issuer = parsed.issuer.strip()
    try:
        secret = parsed.secret_file.read_text().strip() if parsed.secret_file else None
    except (OSError, UnicodeDecodeError):
        raise Invalid(field="secret_file") from None
    existing = [row for row, _ in providers.list_providers(work, SYSTEM, town.id).items if row.issuer == issuer]
    facts = {"name": parsed.name, "issuer": issuer, "client_id": parsed.client_id, "scopes": parsed.scopes, "claim": parsed.claim}
    if existing:
        provider = providers.update_provider(work, SYSTEM, existing[0].id, client_secret=secret, **facts)
    else:
        provider = providers.create_provider(work, SYSTEM, town.id, client_secret=secret, **facts)
    _show(work, provider)
    print(f"  redirect address to enter there: {work.settings.public_url}{CALLBACK_PATH}")


def _map(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    provider = providers.require_provider(work, SYSTEM, parsed.provider)
    school_id = find_school(work, parsed.school).id if parsed.school else None
    mapped = providers.list_group_roles(work, SYSTEM, provider.id)
    same = [row for row in mapped if (row.claim_value, row.role, row.school_id) == (parsed.group.strip(), parsed.role, school_id)]
    if parsed.action == "map" and not same:
        providers.map_group(work, SYSTEM, provider.id, claim_value=parsed.group, role=parsed.role, school_id=school_id)
    if parsed.action == "unmap":
        if not same:
            raise NotFound(field="group")
        providers.unmap_group(work, SYSTEM, provider.id, same[0].id)
    work.session.flush()
    _show(work, provider)


def _show(work: UnitOfWork, provider: IdentityProvider) -> None:
    state = "" if provider.active else " (off)"
    print(f"{provider.id} {provider.name}{state}: {provider.issuer}, client {provider.client_id}, groups in {provider.claim}")
    for row in providers.list_group_roles(work, SYSTEM, provider.id):
        print(f"  {row.claim_value}: {row.role}{f' in school {row.school_id}' if row.school_id else ''}")
