"""A child with everything that may be kept about one: guardians, a loan that is over, a loss with a position, rules, readings."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from cartable.ids import new_id
from enrollment.joining import service as joining
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.tablets.models import Loan, Tablet
from mdm.care.models import LostCase, PositionRequest
from profiles.schedule.guardian_rules import RuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import GuardianRule, PupilRhythm
from tests.enrollment.people.files import CHILD, GUARDIANS, ONDE, onde_line, text_file
from tests.enrollment.people.school import OneSchool

SECRET = "CANARYCHILD"


def child(one: OneSchool) -> Pupil:
    """Zoé CANARYCHILD, whose tablet was lost once and has come back."""
    lines = [
        onde_line(SECRET, "Zoé", usage=f"{SECRET}BIS", ine="1234567890A", label="CE2 A", number="7", level="CE2"),
        onde_line("AUTRE", "Léa", label="CE2 A", number="7", level="CE2", born="02/02/2018"),
    ]
    one.bring(text_file(ONDE, *lines))
    told = f";{SECRET};Zoé;CE2 A"
    header = GUARDIANS.format(desk="") + f"{CHILD};{CHILD}"
    nadia = f"MME;;MERE;Nadia;;;;;nadia@home.example;;;0612345678;{told};;AUTRE;Léa;CE2 A"
    one.bring(text_file(header, nadia, f"M.;;{SECRET}PERE;Karim;;;;;;;;;{told}"), keep_contacts=True)
    pupil = one.pupil(f"{SECRET} Zoé")
    joining.create_invitations(one.work, one.admin, InvitationSpec(InvitationKind.PUPIL, one.town.id, pupil_ids=(pupil.id,)))
    session, now = one.work.session, one.work.now
    session.add(PupilRhythm(town_id=one.town.id, pupil_id=pupil.id, after_school=AfterSchool.ATTENDS))
    session.add(GuardianRule(town_id=one.town.id, pupil_id=pupil.id, guardian_id=new_id(), kind=RuleKind.QUIET, written_at=now))
    tablet = one.world.tablet(one.town)
    one.world.lend(tablet, pupil)
    lose(one, tablet)
    people.find_pupils(one.work, one.admin, one.town.id, "canarychild")
    session.flush()
    return pupil


def lose(one: OneSchool, tablet: Tablet) -> LostCase:
    """The tablet was lost yesterday and found today."""
    now = one.work.now
    case = LostCase(
        town_id=one.town.id, tablet_id=tablet.id, reason=f"{SECRET} left it on the bus", message="Please call.",
        requested_at=now, confirmed_at=now, lifted_at=now, lift_reason=f"{SECRET} found it",
    )  # fmt: skip
    one.work.session.add(case)
    one.work.session.flush()
    one.work.session.add(
        PositionRequest(
            town_id=one.town.id,
            case_id=case.id,
            reason=f"near {SECRET}'s home",
            requested_at=now,
            approved_at=now,
            expires_at=now + timedelta(hours=72),
            answered_at=now,
            position='{"latitude": 48.8}',
        )
    )
    one.work.session.flush()
    return case


def give_back(one: OneSchool, pupil: Pupil) -> Loan:
    """The loan ends."""
    loan = one.work.session.scalars(select(Loan).where(Loan.pupil_id == pupil.id, Loan.closed_at.is_(None))).one()
    loan.closed_at = one.work.now
    one.work.session.flush()
    return loan
