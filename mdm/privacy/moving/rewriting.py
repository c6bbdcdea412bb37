"""What the new server changes in the rows of a town that arrives: what the old one made with its keys, and what it alone trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartable.unit_of_work import UnitOfWork
from enrollment.identity.profile_signing import sign_profile
from enrollment.joining.service import hash_code
from enrollment.people.text import compute_email_hash, compute_name_hash
from mdm.accounts.passwords import NO_PASSWORD
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.moving.contents import EMPTIED
from mdm.privacy.reports import compute_seal

Row = dict[str, Any]


def rewrite_row(work: UnitOfWork, table: str, row: Row) -> None:
    """Change the values of a row that were made with keys of the other server, or that hold there alone."""
    for column in row:
        if (table, column) in EMPTIED:
            row[column] = None
    rewrite = _REWRITERS.get(table)
    if rewrite is not None:
        rewrite(work, row)


def _rewrite_person(work: UnitOfWork, row: Row) -> None:
    """Names are looked up by hashes with the key of the server. An erased person has neither name nor hash."""
    town_id, keyring = row["town_id"], work.keyring
    if row["last_name"] or row["first_name"]:
        row["name_hash"] = compute_name_hash(keyring, town_id, row["last_name"] or "", row["first_name"] or "")
    if row.get("usage_name"):
        row["usage_name_hash"] = compute_name_hash(keyring, town_id, row["usage_name"], row["first_name"] or "")
    if "email_hash" in row and row["email"]:
        row["email_hash"] = compute_email_hash(keyring, town_id, row["email"].lower())


def _rewrite_invitation(work: UnitOfWork, row: Row) -> None:
    if row["code"]:
        row["code_hash"] = hash_code(work, row["code"])


def _rewrite_report(work: UnitOfWork, row: Row) -> None:
    row["seal"] = compute_seal(work, PrivacyReport(**{**row, "kind": ReportKind(row["kind"])}))


def _rewrite_profile(work: UnitOfWork, row: Row) -> None:
    row["signed"] = sign_profile(work, row["plain"])


def _rewrite_account(work: UnitOfWork, row: Row) -> None:
    """Passwords and second factors stay behind: nobody is let in, or counts as a second person, because another server says so."""
    row["password_hash"], row["must_change_password"], row["enabled_at"] = NO_PASSWORD, False, work.now


def _rewrite_authority(work: UnitOfWork, row: Row) -> None:
    row["issuing"], row["is_foreign"], row["created_at"] = False, True, work.now


_REWRITERS: dict[str, Callable[[UnitOfWork, Row], None]] = {
    "pupil": _rewrite_person,
    "guardian": _rewrite_person,
    "staff_member": _rewrite_person,
    "invitation": _rewrite_invitation,
    "privacy_report": _rewrite_report,
    "rendered_profile": _rewrite_profile,
    "account": _rewrite_account,
    "certificate_authority": _rewrite_authority,
}
