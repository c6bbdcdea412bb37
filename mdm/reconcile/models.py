"""Tables of reconciliation: the policy profile of each tablet, its apps, and the renewal of its identity certificate."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, UtcDateTime


class ProfileState(StrEnum):
    """State of a tablet's policy profile. Only the tablet's own ProfileList makes it `verified`."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    FAILED = "failed"
    REMOVING = "removing"


class ProfileReason(StrEnum):
    """Why a tablet's rules are not proved yet, for people to read."""

    WAITING_CONTACT = "waiting_contact"
    NOT_VERIFIED = "not_verified"  # acknowledged, not listed by the tablet yet
    REFUSED = "refused"
    MISSING = "missing"  # it was acknowledged or verified, and the tablet does not list it
    REMOVAL_REFUSED = "removal_refused"
    IN_PROGRESS = "in_progress"  # of declarations: the tablet has them and is still applying them
    INVALID = "invalid"  # of declarations: the tablet could not apply them
    INSTALLED = "installed"


class TabletProfile(Base):
    """The policy profile of one tablet: the hash of the desired one, the UUID of the reported one, and the state.

    `attempts` counts what failed since the profile was last verified; `next_attempt_at` is when it is sent again, or when a command
    without result is looked at again.
    """

    __tablename__ = "tablet_profile"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    desired_sha256: Mapped[str] = mapped_column(String(64))
    reported_uuid: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[ProfileState] = mapped_column(EnumText(ProfileState))
    reason: Mapped[ProfileReason] = mapped_column(EnumText(ProfileReason), default=ProfileReason.WAITING_CONTACT)
    problem: Mapped[str | None] = mapped_column(String(300))
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index(
            "ix_tablet_profile_attempt",
            "next_attempt_at",
            sqlite_where=next_attempt_at.is_not(None),
            postgresql_where=next_attempt_at.is_not(None),
        ),
    )


class TrialState(StrEnum):
    """State of the trial of what could cut a tablet off."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"  # the tablet lists it, and has not been in contact since
    PROVED = "proved"  # it was in contact under it: the permanent profile takes its place
    ENDED = "ended"  # it has removed itself before the tablet was in contact
    REFUSED = "refused"


class ProfileTrial(Base):
    """The trial of one thing that could cut a tablet off; `digest` names it. What was proved stays proved for that tablet.

    `installed_at` is when the tablet had installed the profile: from then on it removes itself after `TRIAL_DURATION`.
    """

    __tablename__ = "profile_trial"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[TrialState] = mapped_column(EnumText(TrialState))
    attempts: Mapped[int] = mapped_column(default=1)
    installed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index(
            "ix_profile_trial_check",
            "next_check_at",
            sqlite_where=next_check_at.is_not(None),
            postgresql_where=next_check_at.is_not(None),
        ),
    )


class RenewalProblem(StrEnum):
    """Why the last attempt to renew an identity certificate has had no success. None of these: the tablet was not in contact."""

    REFUSED = "refused"  # the tablet answered the enrollment profile with an error
    CERTIFICATE_NOT_USED = "certificate_not_used"  # issued, but the tablet goes on with the former one
    NOT_CARRIED_OUT = "not_carried_out"  # the tablet was in contact, and has asked for no certificate


class IdentityRenewal(Base):
    """The attempts to renew the certificate of one enrollment that `fingerprint` names.

    The row counts while the enrollment pins that certificate; when another one is pinned, it is over.
    """

    __tablename__ = "identity_renewal"

    enrollment_id: Mapped[int] = mapped_column(
        ForeignKey("device_enrollment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    fingerprint: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    ordered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    problem: Mapped[RenewalProblem | None] = mapped_column(EnumText(RenewalProblem))
    problem_detail: Mapped[str | None] = mapped_column(String(200))


class AppState(StrEnum):
    """State of one desired app on one tablet."""

    WAITING = "waiting"
    INSTALLING = "installing"
    INSTALLED = "installed"
    FAILED = "failed"
    REMOVING = "removing"


class AppReason(StrEnum):
    """Why an app is not installed yet."""

    NO_LICENCE = "no_licence"
    WAITING_CONTACT = "waiting_contact"
    LOCKED_PASSCODE = "locked_passcode"
    STORAGE_FULL = "storage_full"
    OS_TOO_OLD = "os_too_old"
    NOT_IN_REGION = "not_in_region"
    REMOVED_FROM_STORE = "removed_from_store"
    USER_REJECTED = "user_rejected"
    USER_PROMPTED = "user_prompted"  # the tablet asks, and nobody has answered yet
    UNINSTALLED = "uninstalled"  # a person has removed it from the tablet
    DOWNLOAD_FAILED = "download_failed"
    INSTALLING = "installing"
    INSTALLED = "installed"
    NOT_MANAGED = "not_managed"  # installed by a person, and it cannot be managed


class ConfigurationStatus(StrEnum):
    """How far the managed configuration of an app is on one tablet. Only the tablet's own report makes it `proved`."""

    WAITING = "waiting"
    PROVED = "proved"
    REFUSED = "refused"


class TabletApp(Base):
    """One app that is desired on, or being removed from, one tablet.

    `configuration_sent` and `configuration_proved` stand for its managed configuration: that which was sent last, and that which the
    tablet has reported. `configuration_problem` is why the tablet has not taken what was sent, after `configuration_attempts`;
    `configuration_next_at` is when the same is sent again.
    """

    __tablename__ = "tablet_app"

    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), primary_key=True, index=True)
    state: Mapped[AppState] = mapped_column(EnumText(AppState))
    reason: Mapped[AppReason] = mapped_column(EnumText(AppReason))
    detail: Mapped[str | None] = mapped_column(String(300))
    attempts: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    configuration_sent: Mapped[str | None] = mapped_column(String(64))
    configuration_proved: Mapped[str | None] = mapped_column(String(64))
    configuration_problem: Mapped[str | None] = mapped_column(String(300))
    configuration_attempts: Mapped[int] = mapped_column(default=0)
    configuration_next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def configuration_status(self) -> ConfigurationStatus | None:
        """How far the managed configuration is on the tablet; None for an app without one."""
        if self.configuration_problem is not None:
            return ConfigurationStatus.REFUSED
        if self.configuration_sent is None and self.configuration_proved is None:
            return None
        is_proved = self.configuration_sent == self.configuration_proved
        return ConfigurationStatus.PROVED if is_proved else ConfigurationStatus.WAITING
