"""All SQL of accounts, their sessions, roles and missions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page, fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Role
from enrollment.places.models import Town
from mdm.accounts.factor_repository import has_second_factor
from mdm.accounts.models import Account, AccountRole, AccountSession, Mission, ServiceToken, SessionKind


class AccountRepository:
    """Reads accounts, their sessions, roles and missions."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_by_login(self, login: str, *, lock: bool = False) -> Account | None:
        statement = select(Account).where(Account.login == login)
        return self.session.scalar(statement.with_for_update() if lock else statement)

    def get(self, account_id: UUID, *, refresh: bool = False) -> Account | None:
        """Return an account; `refresh`: as the database has it now, and not as it was read before."""
        return self.session.get(Account, account_id, populate_existing=refresh)

    def get_session_by_token(
        self, token_hash: str, kind: SessionKind, now: datetime
    ) -> Row[AccountSession, Account, bool] | None:
        """Return the open session with this token, its account if that is active, and whether that has a second factor."""
        return self.session.execute(
            select(AccountSession, Account, has_second_factor())
            .join(Account, Account.id == AccountSession.account_id)
            .where(AccountSession.token_hash == token_hash, AccountSession.kind == kind)
            .where(AccountSession.ended_at.is_(None), AccountSession.expires_at > now, Account.active)
        ).one_or_none()

    def get_session_owner(self, token_hash: str, kind: SessionKind) -> UUID | None:
        """Return the account of a session, be it open or ended."""
        statement = select(AccountSession.account_id)
        return self.session.scalar(statement.where(AccountSession.token_hash == token_hash, AccountSession.kind == kind))

    def get_account_of_open_session(self, session_id: UUID, now: datetime) -> Account | None:
        """Return the active account of a session that is open."""
        return self.session.scalar(
            select(Account)
            .join(AccountSession, AccountSession.account_id == Account.id)
            .where(
                AccountSession.id == session_id,
                AccountSession.ended_at.is_(None),
                AccountSession.expires_at > now,
                Account.active,
            )
        )

    def get_session(self, account_id: UUID, session_id: UUID) -> AccountSession | None:
        statement = select(AccountSession).where(AccountSession.id == session_id, AccountSession.account_id == account_id)
        return self.session.scalar(statement)

    def lock_session(self, session: AccountSession) -> None:
        """Read the session again and lock it, so that wrong passwords at the same time are all counted."""
        self.session.flush()
        self.session.refresh(session, with_for_update=True)

    def list_open_sessions(self, account_id: UUID, now: datetime, page: PageRequest) -> Page[AccountSession]:
        statement = select(AccountSession).where(AccountSession.account_id == account_id, AccountSession.ended_at.is_(None))
        statement = statement.where(AccountSession.expires_at > now)
        return fetch_scalar_page(self.session, statement, page, AccountSession.created_at, AccountSession.id, descending=True)

    def has_session_from(self, account_id: UUID, address_hash: str) -> bool:
        condition = (AccountSession.account_id == account_id) & (AccountSession.address_hash == address_hash)
        return bool(self.session.scalar(select(exists().where(condition))))

    def end_sessions(self, account_id: UUID, now: datetime) -> int:
        """End the open sessions of an account. Returns how many there were."""
        statement = update(AccountSession).where(AccountSession.account_id == account_id, AccountSession.ended_at.is_(None))
        statement = statement.where(AccountSession.expires_at > now).values(ended_at=now).returning(AccountSession.id)
        return len(self.session.scalars(statement).all())

    def delete_sessions_expired_before(self, instant: datetime) -> None:
        self.session.execute(delete(AccountSession).where(AccountSession.expires_at < instant))

    def get_service_token(self, token_hash: str, now: datetime) -> Row[ServiceToken, Account] | None:
        """Return the service token with this hash, if it can be used, and the account that it acts for, if that is active."""
        return self.session.execute(
            select(ServiceToken, Account)
            .join(Account, Account.id == ServiceToken.account_id)
            .where(
                ServiceToken.token_hash == token_hash,
                ServiceToken.revoked_at.is_(None),
                ServiceToken.expires_at > now,
                Account.active,
            )
        ).one_or_none()

    def list_service_tokens(self, town_id: UUID, page: PageRequest) -> Page[tuple[ServiceToken, Account]]:
        """List the service tokens of a town that nobody has revoked, each with the account that it acts for, the newest first."""
        statement = select(ServiceToken, Account).join(Account, Account.id == ServiceToken.account_id)
        statement = statement.where(ServiceToken.town_id == town_id, ServiceToken.revoked_at.is_(None))
        return fetch_page(self.session, statement, page, ServiceToken.created_at, ServiceToken.id, descending=True)

    def list_roles(self, account_id: UUID, now: datetime) -> Sequence[AccountRole]:
        """List the roles of an account that are valid at this instant."""
        return self.session.scalars(
            select(AccountRole)
            .where(AccountRole.account_id == account_id, or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now))
            .order_by(AccountRole.id)
        ).all()

    def list_roles_of_accounts(self, account_ids: Collection[UUID], now: datetime) -> Sequence[AccountRole]:
        """List the roles that several accounts have at this instant, the oldest first."""
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        statement = select(AccountRole).where(AccountRole.account_id.in_(account_ids), is_valid)
        return self.session.scalars(statement.order_by(AccountRole.id)).all()

    def list_substitutes(self, school_id: UUID, now: datetime) -> Sequence[Row[AccountRole, Account]]:
        """List the roles of substitutes in a school at this instant, each with its account, by the end."""
        statement = _select_substitutes(now).where(AccountRole.school_id == school_id)
        return self.session.execute(statement.order_by(AccountRole.ends_at, AccountRole.id)).all()

    def get_substitute(self, role_id: UUID, now: datetime) -> Row[AccountRole, Account] | None:
        """Return a role of a substitute that is valid at this instant, with its account."""
        return self.session.execute(_select_substitutes(now).where(AccountRole.id == role_id)).one_or_none()

    def has_role_ever(self, account_id: UUID, town_id: UUID) -> bool:
        """Return whether the account has, or has had, a role in a town."""
        condition = (AccountRole.account_id == account_id) & (AccountRole.town_id == town_id)
        return bool(self.session.scalar(select(exists().where(condition))))

    def has_administrator(self, town_id: UUID, now: datetime) -> bool:
        """Return whether an active account administers a town at this instant."""
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        condition = (AccountRole.town_id == town_id) & (AccountRole.role == Role.TOWN_ADMIN) & is_valid & Account.active
        return bool(self.session.scalar(select(exists().where(condition, AccountRole.account_id == Account.id))))

    def list_administrators(self, now: datetime, town_id: UUID | None = None) -> Sequence[Row[UUID | None, Account]]:
        """List the active accounts that administer a town, or any town, at this instant, each with the town."""
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        statement = select(AccountRole.town_id, Account).join(Account, Account.id == AccountRole.account_id)
        statement = statement.where(
            AccountRole.role == Role.TOWN_ADMIN, AccountRole.town_id.is_not(None), is_valid, Account.active
        )
        if town_id is not None:
            statement = statement.where(AccountRole.town_id == town_id)
        return self.session.execute(statement.order_by(AccountRole.id)).all()

    def list_by_logins(self, town_id: UUID, logins: Collection[str], now: datetime) -> Sequence[Account]:
        """List the active accounts with one of these logins that have a role in a town at this instant."""
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now)
        has_role = exists().where(AccountRole.account_id == Account.id, AccountRole.town_id == town_id, is_valid)
        statement = select(Account).where(Account.login.in_(logins), Account.active, has_role)
        return self.session.scalars(statement.order_by(Account.id)).all()

    def find_by_login_in_town(self, town_id: UUID, login: str) -> Account | None:
        """Return the account with a login, if it has or had a role in a town."""
        has_role = exists().where(AccountRole.account_id == Account.id, AccountRole.town_id == town_id)
        return self.session.scalar(select(Account).where(Account.login == login, has_role))

    def list_by_town(self, town_id: UUID, now: datetime, page: PageRequest) -> Page[Account]:
        """List the accounts with a role in a town at this instant, and those switched off that had one, by name."""
        is_valid = or_(AccountRole.ends_at.is_(None), AccountRole.ends_at > now, ~Account.active)
        statement = select(Account).where(
            exists().where(AccountRole.account_id == Account.id, AccountRole.town_id == town_id, is_valid)
        )
        return fetch_scalar_page(self.session, statement, page, func.lower(Account.display_name), Account.id)

    def list_open_mission_towns(self, account_id: UUID, since: date) -> set[UUID]:
        """Return the towns with a mission of the account that has not ended before a day."""
        statement = select(Mission.town_id).where(
            Mission.account_id == account_id, Mission.ended_at.is_(None), Mission.last_day >= since
        )
        return set(self.session.scalars(statement))

    def list_missions_around(self, account_id: UUID, day: date) -> Sequence[Row[Mission, str]]:
        """List the missions of an account within a day of `day`, each with the time zone of its town."""
        one_day = timedelta(days=1)
        return self.session.execute(
            select(Mission, Town.time_zone)
            .join(Town, Town.id == Mission.town_id)
            .where(Mission.account_id == account_id, Mission.ended_at.is_(None))
            .where(Mission.first_day <= day + one_day, Mission.last_day >= day - one_day)
            .order_by(Mission.id)
        ).all()

    def list_missions_of_town(self, town_id: UUID, since: date, page: PageRequest) -> Page[tuple[Mission, Account]]:
        """List the missions of a town that had not ended on a day, each with its account."""
        statement = (
            select(Mission, Account)
            .join(Account, Account.id == Mission.account_id)
            .where(Mission.town_id == town_id, Mission.last_day >= since, Mission.ended_at.is_(None))
        )
        return fetch_page(self.session, statement, page, Mission.first_day, Mission.id)

    def get_mission(self, mission_id: UUID) -> Mission | None:
        return self.session.get(Mission, mission_id)

    def count_accounts(self) -> int:
        return self.session.scalar(select(func.count()).select_from(Account)) or 0


def _select_substitutes(now: datetime) -> Select[AccountRole, Account]:
    statement = select(AccountRole, Account).join(Account, Account.id == AccountRole.account_id)
    return statement.where(AccountRole.role == Role.SUBSTITUTE, AccountRole.ends_at > now)
