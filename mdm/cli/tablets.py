"""The command `cartable tablet invite`: makes an invitation by which tablets enroll, and prints its address and QR code."""

from __future__ import annotations

import argparse
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining import qr, service
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from mdm.cli.towns import find_school, find_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    invite = parser.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "invite", help="let tablets enroll: those for the stock, or the one of a member of staff"
    )
    invite.add_argument("town", help="the short name of the town")
    invite.add_argument("--school", metavar="UAI", help="the school whose stock the tablets join")
    invite.add_argument("--uses", type=int, default=1, metavar="N", help="how many tablets may enroll")
    invite.add_argument("--days", type=int, default=14, metavar="N", help="how long the invitation is valid")
    invite.add_argument("--staff", type=UUID, metavar="ID", help="whose tablet it is, as `cartable staff list` shows it")
    invite.add_argument("--no-qr", action="store_true", help="print the address alone")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Make the invitation and print it. Raises `NotFound`, `Invalid`."""
    town = find_town(work, parsed.town)
    spec = InvitationSpec(
        InvitationKind.STOCK if parsed.staff is None else InvitationKind.STAFF,
        town.id,
        school_id=find_school(work, parsed.school, town).id if parsed.school is not None else None,
        staff_ids=(parsed.staff,) if parsed.staff is not None else (),
        max_uses=parsed.uses,
        valid_days=parsed.days,
    )
    [invitation] = service.create_invitations(work, SYSTEM, spec)
    url = service.build_join_url(work, invitation)
    print(f"{url}\n  for {invitation.max_uses} tablet(s), until {invitation.expires_at:%Y-%m-%d %H:%M} UTC")
    if not parsed.no_qr:
        print(qr.render_terminal(url))
