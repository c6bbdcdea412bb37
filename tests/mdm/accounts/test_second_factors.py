"""Second factors: codes of an app are accepted once and in time, recovery codes stand in once, guesses are limited and alarm."""

from __future__ import annotations

from base64 import b32decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.errors import DomainError
from cartable.scope import Role, RoleAssignment
from cartable.settings import SecondFactorPolicy
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import administration, links, second_factors, service, sessions, totp
from mdm.accounts.errors import (
    LastSecondFactor,
    NoSecondFactor,
    SecondFactorEnrollmentRequired,
    SecondFactorRequired,
    TooManyAttempts,
    WrongSecondFactor,
)
from mdm.accounts.models import RecoveryCode, SessionKind, TotpFactor
from mdm.accounts.second_factors import FactorProof
from mdm.accounts.sessions import Authentication, SignInStep
from mdm.accounts.sign_in_limits import UNKNOWN_CLIENT, SignInClient, make_device_cookie
from tests.support.accounts import PASSWORD, create_account, sign_in
from tests.support.world import TownFactory, create_actor

ALL_STEPS = frozenset(SignInStep)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """The vectors of RFC 6238, appendix B; six digits are the last six of its eight."""
    instant = datetime.fromtimestamp(seconds, UTC)
    assert totp.compute_code(b"12345678901234567890", totp.get_step(instant)) == code
    assert totp.find_step(b"12345678901234567890", code, instant, 0) == seconds // 30


def test_a_code_is_accepted_one_step_early_or_late_and_never_again() -> None:
    secret, now = b"12345678901234567890", datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    here = totp.get_step(now)
    accepted = [
        step - here for step in range(here - 3, here + 4) if totp.find_step(secret, totp.compute_code(secret, step), now, 0)
    ]
    assert accepted == [-1, 0, 1]
    assert totp.find_step(secret, totp.compute_code(secret, here), now, here) is None
    assert totp.find_step(secret, totp.compute_code(secret, here - 1), now, here) is None
    assert totp.find_step(secret, "é23456", now, 0) is None


def test_an_app_reads_the_address() -> None:
    uri = totp.build_uri(b"12345678901234567890", "ana@valmont.example", "Ville de Valmont")
    assert uri == (
        "otpauth://totp/Ville%20de%20Valmont%3Aana%40valmont.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ville+de+Valmont"
    )


class Person:
    """An account with an app, as its owner uses it."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.runtime, self.clock = runtime, clock
        with runtime.open_unit_of_work() as work:
            self.town = TownFactory(work).create_town()
            self.account = create_account(work, self.town.id, Role.TOWN_ADMIN, "ana")
            who = self.enter(work, sign_in(work, "ana").token)
            self.secret = b32decode(second_factors.begin_totp(work, who.account).secret)
            self.recovery_codes = second_factors.confirm_totp(work, who.account, who.session, self.compute_code())
        self.pass_a_step()

    def enter(self, work: UnitOfWork, token: str, kind: SessionKind = SessionKind.API) -> Authentication:
        return sessions.authenticate_token(work, token, kind, allowed=ALL_STEPS)

    def compute_code(self) -> str:
        return totp.compute_code(self.secret, totp.get_step(self.clock.now()))

    def pass_a_step(self) -> None:
        self.clock.advance(timedelta(seconds=totp.PERIOD_SECONDS))

    def begin(self, work: UnitOfWork, client: SignInClient = UNKNOWN_CLIENT) -> Authentication:
        """Sign in in the console, up to the second factor."""
        outcome = service.sign_in(work, "ana", PASSWORD, client, SessionKind.CONSOLE)
        assert isinstance(outcome, sessions.SignedIn)
        assert outcome.device_cookie == "", "the password alone makes no known browser"
        return self.enter(work, outcome.token, SessionKind.CONSOLE)

    def give(self, work: UnitOfWork, who: Authentication, code: str, client: SignInClient = UNKNOWN_CLIENT) -> DomainError | None:
        return sessions.give_second_factor(work, who.account, who.session, FactorProof(code=code), client)


@pytest.fixture
def person(runtime: Runtime, clock: ManualClock) -> Person:
    return Person(runtime, clock)


def test_the_password_alone_opens_nothing(person: Person) -> None:
    with person.runtime.open_unit_of_work() as work:
        outcome = service.sign_in(work, "ana", PASSWORD, UNKNOWN_CLIENT, SessionKind.CONSOLE)
        assert isinstance(outcome, sessions.SignedIn)
        with pytest.raises(SecondFactorRequired):
            sessions.authenticate_token(work, outcome.token, SessionKind.CONSOLE)
        who = person.enter(work, outcome.token, SessionKind.CONSOLE)
        assert who.missing is SignInStep.SECOND_FACTOR
        assert isinstance(person.give(work, who, ""), SecondFactorRequired)
        assert isinstance(person.give(work, who, "000000"), WrongSecondFactor)
        assert person.give(work, who, person.compute_code()) is None
        assert sessions.authenticate_token(work, outcome.token, SessionKind.CONSOLE).missing is None
        again = person.begin(work)
        assert isinstance(person.give(work, again, person.compute_code()), WrongSecondFactor), (
            "the same code, looked at over a shoulder"
        )


def test_a_program_gives_the_code_with_the_password(person: Person) -> None:
    with person.runtime.open_unit_of_work() as work:
        assert isinstance(service.sign_in(work, "ana", PASSWORD), SecondFactorRequired)
        assert isinstance(service.sign_in(work, "ana", PASSWORD, proof=FactorProof("123456")), WrongSecondFactor)
        outcome = service.sign_in(work, "ana", PASSWORD, proof=FactorProof(person.compute_code()))
        assert isinstance(outcome, sessions.SignedIn)
        sessions.authenticate_token(work, outcome.token)


def test_one_code_given_twice_at_once_opens_one_session(person: Person) -> None:
    barrier, outcomes, code = Barrier(2), [], person.compute_code()

    def enter(number: int) -> None:
        barrier.wait(10)
        with person.runtime.open_unit_of_work() as work:
            client = SignInClient(f"192.0.2.{number}")
            outcomes.append(
                isinstance(service.sign_in(work, "ana", PASSWORD, client, proof=FactorProof(code)), sessions.SignedIn)
            )

    threads = [Thread(target=enter, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == [False, True]


def test_a_recovery_code_stands_in_once(person: Person) -> None:
    assert len(set(person.recovery_codes)) == second_factors.RECOVERY_CODES
    typed = person.recovery_codes[0].lower().replace("-", " ")
    with person.runtime.open_unit_of_work() as work:
        assert person.give(work, person.begin(work), typed) is None
        assert isinstance(person.give(work, person.begin(work), typed), WrongSecondFactor)
        assert second_factors.get_overview(work, person.account).recovery_codes == second_factors.RECOVERY_CODES - 1
        stored = {row.code_hash for row in work.session.scalars(select(RecoveryCode))}
        assert not stored & set(person.recovery_codes)
        new = second_factors.replace_recovery_codes(work, person.account)
        assert isinstance(person.give(work, person.begin(work), person.recovery_codes[1]), WrongSecondFactor)
        assert person.give(work, person.begin(work), new[0]) is None


def test_five_wrong_codes_end_the_session_and_ten_stop_all_but_known_browsers(person: Person) -> None:
    """Whoever knows the password cannot guess on, is heard of, and does not lock the owner out."""
    with person.runtime.open_unit_of_work() as work:
        cookie = make_device_cookie(work, person.account.id)
        for _ in range(2):
            who = person.begin(work)
            answers = [type(person.give(work, who, "111111")) for _ in range(sessions.MAX_WRONG_PASSWORDS + 1)]
            assert answers == [*[WrongSecondFactor] * 5, TooManyAttempts]
        assert isinstance(person.give(work, person.begin(work), person.compute_code()), TooManyAttempts)
        alarms = work.session.scalars(select(Alarm).where(Alarm.kind == AlarmKind.SECOND_FACTOR_GUESSED)).all()
        assert [(alarm.town_id, alarm.details) for alarm in alarms] == [(person.town.id, {"account_id": str(person.account.id)})]
        owner = SignInClient(device_cookie=cookie)
        outcome = service.sign_in(work, "ana", PASSWORD, owner, SessionKind.CONSOLE)
        assert isinstance(outcome, sessions.SignedIn)
        assert person.give(work, person.enter(work, outcome.token, SessionKind.CONSOLE), person.compute_code(), owner) is None


def test_the_second_factor_is_asked_for_again_before_dangerous_acts(person: Person) -> None:
    with person.runtime.open_unit_of_work() as work:
        outcome = service.sign_in(work, "ana", PASSWORD, proof=FactorProof(person.compute_code()))
        assert isinstance(outcome, sessions.SignedIn)
        who = person.enter(work, outcome.token)
        assert isinstance(sessions.reauthenticate(work, who.account, who.session, PASSWORD), SecondFactorRequired)
        assert not person.enter(work, outcome.token).actor.reauthenticated
    person.pass_a_step()
    with person.runtime.open_unit_of_work() as work:
        who = person.enter(work, outcome.token)
        proof = FactorProof(person.compute_code())
        assert sessions.reauthenticate(work, who.account, who.session, PASSWORD, proof) is None
        assert person.enter(work, outcome.token).actor.reauthenticated


def test_a_changed_second_factor_makes_no_second_person_for_a_day(person: Person) -> None:
    person.clock.advance(timedelta(days=2))
    with person.runtime.open_unit_of_work() as work:
        outcome = service.sign_in(work, "ana", PASSWORD, proof=FactorProof(person.compute_code()))
        assert isinstance(outcome, sessions.SignedIn)
        assert person.enter(work, outcome.token).actor.trusted_from is None
        second_factors.remove_totp(work, outcome.account, ())
        assert person.enter(work, outcome.token).actor.trusted_from == work.now + timedelta(days=1)
        assert second_factors.get_overview(work, person.account).recovery_codes == 0
        with pytest.raises(NoSecondFactor):
            second_factors.replace_recovery_codes(work, person.account)


def test_an_administrator_resets_what_a_colleague_has_lost(person: Person) -> None:
    with person.runtime.open_unit_of_work() as work:
        outcome = service.sign_in(work, "ana", PASSWORD, proof=FactorProof(person.compute_code()))
        assert isinstance(outcome, sessions.SignedIn)
        admin = create_actor(Role.TOWN_ADMIN, person.town)
        assert administration.get_account(work, admin, person.account.id, person.town.id).has_second_factor
        link = links.create_link(work, admin, person.account.id, person.town.id)
        with pytest.raises(DomainError):
            person.enter(work, outcome.token)
        reset = links.set_password(work, link.url.rpartition("/")[2], "another sentence of mine", UNKNOWN_CLIENT, SessionKind.API)
        assert person.enter(work, reset.token).missing is SignInStep.SECOND_FACTOR, (
            "a reset of the password keeps the second factor"
        )
        administration.reset_second_factors(work, admin, person.account.id, person.town.id)
        assert not administration.get_account(work, admin, person.account.id, person.town.id).has_second_factor
        assert work.session.scalars(select(TotpFactor)).all() == []


def test_the_operator_needs_a_factor_once_there_is_a_real_town(runtime: Runtime) -> None:
    runtime.settings = runtime.settings.model_copy(update={"second_factor": SecondFactorPolicy.REQUIRED})
    operator = [RoleAssignment(Role.OPERATOR, None)]
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        assert not second_factors.must_have_factor(work, operator)
        world.create_town().is_demonstration = True
        work.session.flush()
        assert not second_factors.must_have_factor(work, operator)
        world.create_town()
        assert second_factors.must_have_factor(work, operator)


def test_who_may_erase_or_govern_sets_up_a_factor_first_but_not_in_the_demonstration(
    runtime: Runtime, clock: ManualClock
) -> None:
    runtime.settings = runtime.settings.model_copy(update={"second_factor": SecondFactorPolicy.REQUIRED})
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        real, demonstration = world.create_town(), world.create_town()
        demonstration.is_demonstration = True
        for town, role, login, is_made_to in (
            (real, Role.TOWN_ADMIN, "admin", True),
            (real, Role.HELPDESK, "helper", False),
            (demonstration, Role.TOWN_ADMIN, "player", False),
        ):
            create_account(work, town.id, role, login)
            who = sessions.authenticate_token(work, sign_in(work, login).token, allowed=ALL_STEPS)
            assert (who.missing is SignInStep.SECOND_FACTOR_ENROLLMENT) is is_made_to, login
        token = sign_in(work, "admin").token
        with pytest.raises(SecondFactorEnrollmentRequired):
            sessions.authenticate_token(work, token)
        who = sessions.authenticate_token(work, token, allowed=ALL_STEPS)
        assert sessions.may_change_factors(work, who), "the password was given a moment ago"
        setup = second_factors.begin_totp(work, who.account)
        assert second_factors.begin_totp(work, who.account) == setup, "the picture that was scanned stays the right one"
        code = totp.compute_code(b32decode(setup.secret), totp.get_step(work.now))
        assert len(second_factors.confirm_totp(work, who.account, who.session, code)) == second_factors.RECOVERY_CODES
        who = sessions.authenticate_token(work, token)
        assert not sessions.may_change_factors(work, who)
        with pytest.raises(LastSecondFactor):
            second_factors.remove_totp(work, who.account, who.actor.role_assignments)
    clock.advance(timedelta(minutes=10))
    with runtime.open_unit_of_work() as work:
        late = sessions.authenticate_token(work, token)
        stale = Authentication(
            replace(late.actor, reauthenticated=False), late.account, late.session, SignInStep.SECOND_FACTOR_ENROLLMENT
        )
        assert not sessions.may_change_factors(work, stale), "a session that was left open asks for the password"
