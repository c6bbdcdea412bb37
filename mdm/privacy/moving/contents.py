"""What travels with a town and what stays behind, by table and column. No SQL and no values. See ADR 0080."""

from __future__ import annotations

from enum import StrEnum


class StaysBecause(StrEnum):
    """Why a table of a town is not in its archive."""

    CHAINED = "chained"  # audit events are carried apart, because the new server links them with its own key
    UNDER_WAY = "under way"  # a few minutes old at most: it is asked for again
    KEYED = "keyed"  # only a keyed hash is stored, which the new server could not look up
    COMPUTED = "computed"  # the new server computes it from what travels
    OF_THE_SERVER = "of the server"  # addresses of this server, or people who work for several towns


#: Tables with rows of a town that are not carried as they are.
STAYING = {
    "audit_event": StaysBecause.CHAINED,
    "acme_order": StaysBecause.UNDER_WAY,
    "identity_challenge": StaysBecause.UNDER_WAY,
    "idempotency_record": StaysBecause.UNDER_WAY,
    "notice": StaysBecause.UNDER_WAY,
    "service_token": StaysBecause.KEYED,
    "pupil_name_prefix": StaysBecause.COMPUTED,
    "staff_name_prefix": StaysBecause.COMPUTED,
    "filter_address": StaysBecause.OF_THE_SERVER,
    "mission": StaysBecause.OF_THE_SERVER,
}

#: Tables of which several towns use the same rows: the archive has those that the town uses, and a row that is there already is kept.
SHARED = frozenset({"account", "certificate_authority", "command_body", "filter_content", "filter_block"})
#: Tables whose key is a hash of the content: an equal row may be there already.
CONTENT_ADDRESSED = frozenset({"filter_content", "rendered_profile", "declaration_set"})

#: Tables whose numbers are given anew. Each uses the numbers of the table that it maps to.
NUMBERED = {
    "device_enrollment": "device_enrollment",
    "command": "command",
    "archived_command": "command",
    "command_body": "command_body",
    "budget_entry": "budget_entry",
    "filter_block": "filter_block",
}
#: Columns that hold such a number without a foreign key.
NUMBER_COLUMNS = {
    ("archived_command", "enrollment_id"): "device_enrollment",
    ("bulk_command_tablet", "command_id"): "command",
}

#: Columns that arrive empty: hashes of what is stored nowhere, plans made of such hashes, leases of processes, pushes of the old server.
EMPTIED = frozenset(
    {
        ("pupil", "ine_hash"),
        ("pupil", "birth_hash"),
        ("roster_import", "plan"),
        ("roster_import", "undo_log"),
        ("ade_server", "lease_holder"),
        ("ade_server", "lease_until"),
        ("certificate_authority", "private_key"),
        ("push_target", "pushed_at"),
        ("account", "confirmed_by"),
        ("account", "confirmed_at"),
        ("account", "password_changed_at"),
        ("account", "factors_changed_at"),
    }
)
