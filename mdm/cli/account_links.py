"""`cartable account-link` and `cartable technician`: accounts that an operator opens. The rules are in `mdm.accounts`."""

from __future__ import annotations

import argparse

from cartable.unit_of_work import UnitOfWork
from mdm.accounts.links import create_link_for_login
from mdm.accounts.service import create_shared_technician


def add_link_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable account-link`."""
    parser.add_argument("login")
    parser.add_argument("--reset-second-factors", action="store_true", help="the owner has lost them")


def add_technician_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable technician`."""
    parser.add_argument("login")
    parser.add_argument("name")


def create_link(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Print a link by which the owner of an account chooses a password, and until when it works. Raises `NotFound`."""
    link = create_link_for_login(work, parsed.login, reset_second_factors=parsed.reset_second_factors)
    print(f"{link.url}\n{link.expires_at:%Y-%m-%d %H:%M} UTC")


def create_technician(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Enter a technician whom several towns call by missions, and print the one-time password."""
    print(create_shared_technician(work, parsed.login, parsed.name))
