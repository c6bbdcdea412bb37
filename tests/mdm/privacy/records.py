"""Test data: a child with everything that may be kept about one: guardians, a closed loan, a loss with a position, rules, accesses."""

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
from mdm.care.lost_mode.models import LostCase, PositionRequest
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import GuardianRule, PupilAfterSchool
from tests.enrollment.rosters.files import CHILD, GUARDIANS, ONDE, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario

SECRET = "CANARYCHILD"


def create_child(school: SchoolScenario) -> Pupil:
    """Create Zoé CANARYCHILD, whose tablet was lost once and recovered."""
    lines = [
        onde_line(SECRET, "Zoé", usage=f"{SECRET}BIS", ine="1234567890A", label="CE2 A", number="7", grade="CE2"),
        onde_line("AUTRE", "Léa", label="CE2 A", number="7", grade="CE2", born="02/02/2018"),
    ]
    school.import_file(text_file(ONDE, *lines))
    child_columns = f";{SECRET};Zoé;CE2 A"
    header = GUARDIANS.format(desk="") + f"{CHILD};{CHILD}"
    nadia = f"MME;;MERE;Nadia;;;;;nadia@home.example;;;0612345678;{child_columns};;AUTRE;Léa;CE2 A"
    school.import_file(text_file(header, nadia, f"M.;;{SECRET}PERE;Karim;;;;;;;;;{child_columns}"), keep_contacts=True)
    pupil = school.get_pupil(f"{SECRET} Zoé")
    joining.create_invitations(
        school.work, school.admin, InvitationSpec(InvitationKind.PUPIL, school.town.id, pupil_ids=(pupil.id,))
    )
    session, now = school.work.session, school.work.now
    session.add(PupilAfterSchool(town_id=school.town.id, pupil_id=pupil.id, after_school=AfterSchool.ATTENDS))
    session.add(
        GuardianRule(town_id=school.town.id, pupil_id=pupil.id, guardian_id=new_id(), kind=GuardianRuleKind.QUIET, written_at=now)
    )
    tablet = school.world.create_tablet(school.town)
    school.world.lend_tablet(tablet, pupil)
    create_lost_case(school, tablet)
    people.search_pupils(school.work, school.admin, {school.town.id}, "canarychild")
    session.flush()
    return pupil


def create_lost_case(school: SchoolScenario, tablet: Tablet) -> LostCase:
    """Create a closed lost case with texts and a position."""
    now = school.work.now
    case = LostCase(
        town_id=school.town.id, tablet_id=tablet.id, reason=f"{SECRET} left it on the bus", message="Please call.",
        requested_at=now, confirmed_at=now, lifted_at=now, lift_reason=f"{SECRET} found it",
    )  # fmt: skip
    school.work.session.add(case)
    school.work.session.flush()
    school.work.session.add(
        PositionRequest(
            town_id=school.town.id,
            case_id=case.id,
            reason=f"near {SECRET}'s home",
            requested_at=now,
            approved_at=now,
            expires_at=now + timedelta(hours=72),
            answered_at=now,
            position='{"latitude": 48.8}',
        )
    )
    school.work.session.flush()
    return case


def return_tablet(school: SchoolScenario, pupil: Pupil) -> Loan:
    """Close the open loan of a pupil. Returns it."""
    loan = school.work.session.scalars(select(Loan).where(Loan.pupil_id == pupil.id, Loan.closed_at.is_(None))).one()
    loan.closed_at = school.work.now
    school.work.session.flush()
    return loan
