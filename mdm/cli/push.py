"""`cartable push-…`: the push certificate, and what an operator decides about the sender of pushes. The rules are in `mdm.push`."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, time
from pathlib import Path

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.push import certificates, requests, sender_state


def add_csr_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable push-csr`."""
    parser.add_argument("--email", required=True)


def add_signing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable push-vendor-sign`."""
    for name in ("--csr", "--vendor-chain", "--vendor-key"):
        parser.add_argument(name, type=Path, required=True)


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable push-import`."""
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--force", action="store_true")


def add_revive_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable push-revive`."""
    parser.add_argument(
        "--since", type=_parse_day, required=True, metavar="DAY", help="tokens that were refused on this day (UTC) or later"
    )


def _parse_day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)


def create_csr(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Print a request for the push certificate."""
    print(requests.create_request(work, SYSTEM, parsed.email).request)


def sign_csr(parsed: argparse.Namespace) -> int:
    """Print the request signed by the MDM vendor, as Apple's portal expects it. Returns an exit code; raises `BadPushCertificate`."""
    csr, chain, key = (path.read_bytes() for path in (parsed.csr, parsed.vendor_chain, parsed.vendor_key))
    print(requests.sign_as_vendor(csr, chain, key).decode())
    return 0


def import_certificate(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Install the certificate that Apple's portal gave. Raises `BadPushCertificate`, `PushTopicChanged`."""
    key = parsed.key.read_bytes() if parsed.key else None
    row = certificates.import_certificate(work, SYSTEM, parsed.certificate.read_bytes(), key, force=parsed.force)
    print(f"{row.topic} until {row.not_after:%Y-%m-%d}")


def resume_sender(work: UnitOfWork, _parsed: argparse.Namespace) -> None:
    """Let the stopped sender test itself now."""
    sender_state.resume_by_person(work, SYSTEM)


def revive_tokens(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Let pushes go again to tokens that were refused since a day, and print how many."""
    print(sender_state.revive_tokens(work, SYSTEM, parsed.since))
