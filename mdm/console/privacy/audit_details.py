"""The details of an event of the audit trail in words. What has no word here is shown as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartable.alarms import MESSAGES
from cartable.audit_verification import FaultKind
from cartable.i18n import Language, Message
from cartable.timeline.models import RestoreEvidence
from enrollment.joining.labels import INVITED
from enrollment.rollover.labels import DECISIONS
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.safeguards.models import IrreversibleAct
from enrollment.safeguards.rules import BudgetLimit
from enrollment.tablets.labels import ACCESSORIES, AGREEMENTS, CONDITIONS, STATES
from mdm.accounts.models import LinkPurpose
from mdm.console.accounts.labels import ROLES
from mdm.console.apps.labels import LEGAL_BASES, PLACES, VERDICTS
from mdm.console.care.command_labels import KINDS as COMMANDS
from mdm.console.notices.labels import NOTICE_LEVELS
from mdm.console.people.labels import ASSIGNMENTS, FILES
from mdm.console.policy.labels import PRESET_KINDS, STAGES
from mdm.console.privacy.audit_detail_keys import DETAIL_KEYS
from mdm.console.schedule.labels import EXCEPTIONS, PRESETS, ZONES
from mdm.console.system.labels import STOP_REASONS
from mdm.console.tablets.custody_labels import KINDS as INCIDENTS
from mdm.console.tablets.reports import KINDS as REPORTS
from mdm.privacy.labels import AUDIENCES, OUTCOMES, REQUESTS
from profiles.schedule.labels import AFTER_SCHOOL, GUARDIAN_RULES

MAX_LENGTH = 300
#: Details that are shown before the others. PostgreSQL does not keep the order in which they were written.
_FIRST = ("before", "after")
_DETAIL = Message("{name}: {value}", context="audit detail")
_YES, _NO = Message("yes"), Message("no")
IRREVERSIBLE_ACTS: dict[IrreversibleAct, Message] = {
    IrreversibleAct.ERASE: Message("erase a tablet", context="audit detail"),
    IrreversibleAct.RETIRE: Message("retire a tablet", context="audit detail"),
    IrreversibleAct.DISPOSE: Message("dispose of a tablet", context="audit detail"),
    IrreversibleAct.ACTIVATION_LOCK: Message("set an activation lock", context="audit detail"),
    IrreversibleAct.ERASE_PUPIL: Message("erase a child's data", context="audit detail"),
    IrreversibleAct.LIFT: Message("end lost mode without the tablet in hand", context="audit detail"),
    IrreversibleAct.RETURN_UNSEEN: Message("take a tablet back without a scan", context="audit detail"),
    IrreversibleAct.LEAVER: Message("mark a pupil as leaving", context="audit detail"),
    IrreversibleAct.LOCK_OUT: Message("lock a tablet out", context="audit detail"),
    IrreversibleAct.REVOKE: Message("revoke a tablet's certificate", context="audit detail"),
}
BUDGET_LIMITS: dict[BudgetLimit, Message] = {
    BudgetLimit.PERSON_PER_HOUR: Message("per person and hour", context="audit detail"),
    BudgetLimit.PERSON_PER_DAY: Message("per person and day", context="audit detail"),
    BudgetLimit.TOWN_PER_DAY: Message("per town and day", context="audit detail"),
}
RESTORE_EVIDENCE: dict[RestoreEvidence, Message] = {
    RestoreEvidence.TIMELINE: Message("the timeline beside the secrets", context="audit detail"),
    RestoreEvidence.CERTIFICATE: Message("the certificate of a tablet", context="audit detail"),
}
CHAIN_FAULTS: dict[FaultKind, Message] = {
    FaultKind.CHANGED: Message("an event was changed", context="audit detail"),
    FaultKind.MISSING: Message("an event is missing", context="audit detail"),
    FaultKind.ADDED: Message("an event was added", context="audit detail"),
    FaultKind.COUNTER: Message("the counter of events is wrong", context="audit detail"),
    FaultKind.CONTRADICTS_ANCHOR: Message("an event is another than its anchor says", context="audit detail"),
    FaultKind.BEHIND_ANCHOR: Message("the trail is older than its anchor", context="audit detail"),
}
LINK_PURPOSES: dict[LinkPurpose, Message] = {
    LinkPurpose.INVITATION: Message("invitation", context="audit"),
    LinkPurpose.PASSWORD_RESET: Message("another password", context="audit detail"),
}
ROSTER_CHANGES: dict[ChangeKind, Message] = {kind: DETAIL_KEYS[kind.value] for kind in ChangeKind}
#: Of each detail whose values are codes: the labels of every enum that it may come from.
DETAIL_VALUES: Mapping[str, tuple[Mapping[Any, Message], ...]] = {
    "act": (IRREVERSIBLE_ACTS,),
    "after": (STATES,),
    "answer": (AGREEMENTS,),
    "audience": (AUDIENCES,),
    "before": (STATES,),
    "command": (COMMANDS,),
    "condition": (CONDITIONS,),
    "decision": (DECISIONS,),
    "evidence": (RESTORE_EVIDENCE,),
    "fault": (CHAIN_FAULTS,),
    "kind": (
        MESSAGES, INVITED, ASSIGNMENTS, FILES, ROSTER_CHANGES, ACCESSORIES, INCIDENTS, PRESET_KINDS, EXCEPTIONS, GUARDIAN_RULES, COMMANDS, REPORTS,
        REQUESTS,
    ),
    "legal_basis": (LEGAL_BASES,),
    "level": (NOTICE_LEVELS,),
    "limit": (BUDGET_LIMITS,),
    "outcome": (OUTCOMES,),
    "place": (PLACES,),
    "preset": (PRESETS,),
    "purpose": (LINK_PURPOSES,),
    "reason": (STOP_REASONS,),
    "role": (ROLES,),
    "stage": (STAGES,),
    "verdict": (VERDICTS,),
    "where": (AFTER_SCHOOL,),
    "zone": (ZONES,),
    "zone_before": (ZONES,),
}  # fmt: skip


def describe_details(details: Mapping[str, object], language: Language) -> str:
    """Return the details of an event in the reader's language: what was before and after, then the others by their names in the database."""
    parts = []
    for key, value in sorted(details.items(), key=_get_rank):
        label = DETAIL_KEYS.get(key)
        name = label.translate(language) if label is not None else key
        parts.append(_DETAIL.translate(language, name=name, value=_describe_value(key, value, language)))
    return ", ".join(parts)[:MAX_LENGTH]


def _get_rank(detail: tuple[str, object]) -> tuple[int, str]:
    key, _ = detail
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)


def _describe_value(key: str, value: object, language: Language) -> str:
    if isinstance(value, bool):
        return (_YES if value else _NO).translate(language)
    if value is None:
        return "–"
    if isinstance(value, list):
        return " ".join(_describe_value(key, each, language) for each in value)
    text = str(value)
    for labels in DETAIL_VALUES.get(key, ()):
        for code, label in labels.items():
            if code.value == text:
                return label.translate(language)
    return text
