"""What each rule of the retention table does. One class for each id of `retention.json`; a test holds the two together.

`due` counts without touching anything; `apply` removes. What waits for something else, such as a tablet's return, is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cartable import audit
from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.models import Guardian, Pupil, StaffMember
from enrollment.tablets.models import Loan
from mdm.care.models import PositionRequest
from mdm.privacy.erasing import blank_cases, erase_identities
from mdm.privacy.models import PrivacyReport, PrivacyRequest
from mdm.privacy.repository import LIMIT, PrivacyRepository
from mdm.privacy.rules import SECURITY_ACTS, left_before
from mdm.queue.models import CommandBody


@dataclass(frozen=True, slots=True)
class Due:
    """How much of one rule is due now, and how much of that must wait."""

    found: int
    held: int = 0


@dataclass(slots=True)
class Turn:
    """One rule applied to one town, or to what belongs to none."""

    work: UnitOfWork
    town_id: UUID | None
    days: int

    @property
    def before(self) -> datetime:
        """What is older is due."""
        return self.work.now - timedelta(days=self.days)

    @property
    def repository(self) -> PrivacyRepository:
        """The SQL."""
        return PrivacyRepository(self.work.session)

    @property
    def town(self) -> UUID:
        """The town, for rules that only towns have."""
        assert self.town_id is not None
        return self.town_id


@dataclass(frozen=True, slots=True)
class Purge:
    """How a rule is counted and applied. `everywhere`: also to what belongs to no town."""

    due: Callable[[Turn], Due]
    apply: Callable[[Turn], int]
    everywhere: bool = False


def _pupils_due(turn: Turn) -> Due:
    before = left_before(turn.work.now.date(), turn.days)
    held = len(turn.repository.gone_pupils(turn.town, before, lent=True))
    return Due(held + len(turn.repository.gone_pupils(turn.town, before, lent=False)), held)


def _pupils(turn: Turn) -> int:
    gone = turn.repository.gone_pupils(turn.town, left_before(turn.work.now.date(), turn.days), lent=False)
    return erase_identities(turn.work, turn.town, gone)["identities"] if gone else 0


def _nameless_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.nameless(turn.town)))


def _nameless(turn: Turn) -> int:
    return turn.repository.delete(Pupil, turn.repository.take(turn.repository.nameless(turn.town)))


def _contacts_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.contacts(turn.town, turn.before)))


def _contacts(turn: Turn) -> int:
    ids = turn.repository.take(turn.repository.contacts(turn.town, turn.before))
    return turn.repository.blank(Guardian, ids, {"email": None, "mobile": None})


def _guardians_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.gone_guardians(turn.town, turn.before.date())))


def _guardians(turn: Turn) -> int:
    return turn.repository.delete(Guardian, turn.repository.take(turn.repository.gone_guardians(turn.town, turn.before.date())))


def _staff_due(turn: Turn) -> Due:
    before = left_before(turn.work.now.date(), turn.days)
    return Due(turn.repository.count(turn.repository.gone_staff(turn.town, before)))


def _staff(turn: Turn) -> int:
    before = left_before(turn.work.now.date(), turn.days)
    return turn.repository.delete(StaffMember, turn.repository.take(turn.repository.gone_staff(turn.town, before)))


def _loans_due(turn: Turn) -> Due:
    found = turn.repository.count(turn.repository.loans(turn.town, turn.before))
    return Due(found, found - turn.repository.count(turn.repository.free_loans(turn.town, turn.before)))


def _loans(turn: Turn) -> int:
    return turn.repository.delete(Loan, turn.repository.take(turn.repository.free_loans(turn.town, turn.before)))


def _positions_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.positions(turn.town, turn.before)))


def _positions(turn: Turn) -> int:
    ids = turn.repository.take(turn.repository.positions(turn.town, turn.before))
    return turn.repository.blank(PositionRequest, ids, {"position": None})


def _cases_due(turn: Turn) -> Due:
    return Due(len(turn.repository.cases(turn.town, turn.before)))


def _cases(turn: Turn) -> int:
    cases = turn.repository.cases(turn.town, turn.before)
    blank_cases(turn.work, cases)
    return len(cases)


def _orders_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.reasons(turn.town, turn.before)))


def _orders(turn: Turn) -> int:
    ids = turn.repository.take(turn.repository.reasons(turn.town, turn.before))
    return turn.repository.blank(CommandBody, ids, {"reason": None, "asked_by": None, "asked_by_name": ""})


def _imports_due(turn: Turn) -> Due:
    return Due(ImportRepository(turn.work.session).held_plans(turn.before, turn.town))


def _imports(turn: Turn) -> int:
    return ImportRepository(turn.work.session).forget_plans(turn.before, turn.town)


def _audit_due(turn: Turn) -> Due:
    return Due(len(audit.list_expired_events(turn.work, turn.town_id, turn.before, SECURITY_ACTS, others=True, limit=LIMIT)))


def _audit(turn: Turn) -> int:
    events = audit.list_expired_events(turn.work, turn.town_id, turn.before, SECURITY_ACTS, others=True, limit=LIMIT)
    audit.purge_events(turn.work, events)
    return len(events)


def _security_due(turn: Turn) -> Due:
    return Due(len(audit.list_expired_events(turn.work, turn.town_id, turn.before, SECURITY_ACTS, others=False, limit=LIMIT)))


def _security(turn: Turn) -> int:
    events = audit.list_expired_events(turn.work, turn.town_id, turn.before, SECURITY_ACTS, others=False, limit=LIMIT)
    audit.purge_events(turn.work, events)
    return len(events)


def _accesses_due(turn: Turn) -> Due:
    return Due(turn.repository.accesses_before(turn.town, turn.before.date()))


def _accesses(turn: Turn) -> int:
    found = turn.repository.accesses_before(turn.town, turn.before.date())
    turn.repository.delete_accesses(turn.town, turn.before.date())
    return found


def _reports_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.reports_before(turn.town_id, turn.before)))


def _reports(turn: Turn) -> int:
    return turn.repository.delete(PrivacyReport, turn.repository.take(turn.repository.reports_before(turn.town_id, turn.before)))


def _requests_due(turn: Turn) -> Due:
    return Due(turn.repository.count(turn.repository.answered(turn.town, turn.before.date())))


def _requests(turn: Turn) -> int:
    return turn.repository.delete(PrivacyRequest, turn.repository.take(turn.repository.answered(turn.town, turn.before.date())))


PURGES: dict[str, Purge] = {
    "pupil_identity": Purge(_pupils_due, _pupils),
    "loan": Purge(_loans_due, _loans),
    "nameless_pupil": Purge(_nameless_due, _nameless),
    "guardian_contact": Purge(_contacts_due, _contacts),
    "guardian_identity": Purge(_guardians_due, _guardians),
    "staff_identity": Purge(_staff_due, _staff),
    "position": Purge(_positions_due, _positions),
    "lost_reason": Purge(_cases_due, _cases),
    "order_reason": Purge(_orders_due, _orders),
    "import": Purge(_imports_due, _imports),
    "audit": Purge(_audit_due, _audit, everywhere=True),
    "security_audit": Purge(_security_due, _security, everywhere=True),
    "record_access": Purge(_accesses_due, _accesses),
    "rights_request": Purge(_requests_due, _requests),
    "privacy_report": Purge(_reports_due, _reports, everywhere=True),
}
