"""What a tablet's answers and reports about an app mean: refusals of InstallApplication, states of managed apps. Pure tables.

Apple calls its error codes no contract: an unknown one means a failed download, which is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from mdm.protocol.connect import ErrorLink
from mdm.reconcile.models import AppReason


class InstallOutcome(Enum):
    """What follows from the result of InstallApplication."""

    ALREADY_INSTALLED = auto()  # a person had installed it: management is taken over
    NOT_MANAGEABLE = auto()  # it is there, and its management cannot be taken over
    PENDING = auto()  # the tablet is at it, or waits for a person: look again
    POSTPONED = auto()  # impossible in the tablet's present state: send again later, no attempt is counted
    REJECTED = auto()  # a person declined: no further prompts
    FAILED = auto()  # send again, a limited number of times


@dataclass(frozen=True, slots=True)
class InstallVerdict:
    """The outcome of an installation command, and the reason that people read."""

    outcome: InstallOutcome
    reason: AppReason


_ALREADY_INSTALLED = InstallVerdict(InstallOutcome.ALREADY_INSTALLED, AppReason.INSTALLING)
_NOT_MANAGEABLE = InstallVerdict(InstallOutcome.NOT_MANAGEABLE, AppReason.NOT_MANAGED)
_QUEUED = InstallVerdict(InstallOutcome.PENDING, AppReason.INSTALLING)
_PROMPTED = InstallVerdict(InstallOutcome.PENDING, AppReason.USER_PROMPTED)
_POSTPONED = InstallVerdict(InstallOutcome.POSTPONED, AppReason.WAITING_CONTACT)
_REJECTED = InstallVerdict(InstallOutcome.REJECTED, AppReason.USER_REJECTED)
_NO_LICENCE = InstallVerdict(InstallOutcome.FAILED, AppReason.NO_LICENCE)
_NOT_IN_STORE = InstallVerdict(InstallOutcome.FAILED, AppReason.REMOVED_FROM_STORE)
_OS_TOO_OLD = InstallVerdict(InstallOutcome.FAILED, AppReason.OS_TOO_OLD)
_STORAGE_FULL = InstallVerdict(InstallOutcome.FAILED, AppReason.STORAGE_FULL)
_DOWNLOAD_FAILED = InstallVerdict(InstallOutcome.FAILED, AppReason.DOWNLOAD_FAILED)

#: RejectionReason of the response. `Other` says nothing: the error chain decides then.
_BY_REJECTION = {
    "AppAlreadyInstalled": _ALREADY_INSTALLED,
    "AppAlreadyQueued": _QUEUED,
    "AppStoreDisabled": _NOT_IN_STORE,
    "CouldNotVerifyAppID": _NOT_IN_STORE,
    "ManagementChangeNotSupported": _NOT_MANAGEABLE,
    "NotAnApp": _NOT_IN_STORE,
    "NotSupported": _OS_TOO_OLD,
    "PurchaseMethodNotSupported": _NO_LICENCE,
    "PurchaseMethodNotSupportedInMultiUser": _NO_LICENCE,
}
#: Two spellings of one domain, by version of the system.
_MDM_DOMAINS = {"MCMDMErrorDomain": "MDM", "MDMErrorDomain": "MDM"}
#: (domain, code) of one error of the chain.
_BY_ERROR = {
    ("MDM", 12023): _NOT_IN_STORE,  # the store identifier could not be validated
    ("MDM", 12025): _ALREADY_INSTALLED,
    ("MDM", 12026): _QUEUED,
    ("MDM", 12027): _NOT_IN_STORE,  # not an app
    ("MDM", 12031): _NOT_IN_STORE,  # installation of apps is disabled
    ("MDM", 12035): _NOT_IN_STORE,  # cannot be purchased
    ("MDM", 12039): _NOT_IN_STORE,
    ("MDM", 12040): _PROMPTED,  # sign-in to the store required
    ("MDM", 12047): _NO_LICENCE,  # no assignment found
    ("MDM", 12063): _REJECTED,
    ("MDM", 12064): _NO_LICENCE,
    ("MDM", 12065): _NOT_MANAGEABLE,  # an app of the system
    ("MDM", 12078): _POSTPONED,  # not in lost mode
    ("DeviceManagement.error", 1407): _PROMPTED,
    ("DeviceManagement.error", 2605): _NO_LICENCE,
    ("ASDErrorDomain", 9610): _NO_LICENCE,
    ("ASDServerErrorDomain", 9610): _NO_LICENCE,
    ("AMSServerErrorDomain", 9610): _NO_LICENCE,
    ("NSPOSIXErrorDomain", 28): _STORAGE_FULL,
    ("NSCocoaErrorDomain", 640): _STORAGE_FULL,
}


def judge_installation(rejection: str | None, error_chain: Sequence[ErrorLink]) -> InstallVerdict:
    """Return what a refused installation means: by its RejectionReason, else by the innermost known error of the chain."""
    if rejection in _BY_REJECTION:
        return _BY_REJECTION[rejection]
    for error in reversed(error_chain):
        verdict = _BY_ERROR.get((_MDM_DOMAINS.get(error.domain, error.domain), error.code or 0))
        if verdict is not None:
            return verdict
    return _DOWNLOAD_FAILED


#: Waits between the commands for an app that failed.
RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))
#: A licence that was given takes a while until the store knows it: these commands are sent again with longer waits.
LICENCE_DELAYS = (
    timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3), timedelta(hours=12), timedelta(days=1), timedelta(days=1),
    timedelta(days=1), timedelta(days=2), timedelta(days=2),
)  # fmt: skip


def get_retry_delay(reason: AppReason, attempts: int) -> timedelta | None:
    """Return how long to wait before the next command after this many failed ones; None when there is no further one."""
    delays: tuple[timedelta, ...] = LICENCE_DELAYS if reason is AppReason.NO_LICENCE else RETRY_DELAYS
    return delays[attempts - 1] if 0 < attempts <= len(delays) else None


class Presence(Enum):
    """Whether an app is on the tablet, as the tablet reports it."""

    INSTALLED = auto()
    INSTALLING = auto()
    UNINSTALLED = auto()  # managed, but a person has removed it
    REJECTED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class AppReport:
    """The reported presence of one app, and the reason that people read."""

    presence: Presence
    reason: AppReason


_INSTALLED = AppReport(Presence.INSTALLED, AppReason.INSTALLED)
_INSTALLING = AppReport(Presence.INSTALLING, AppReason.INSTALLING)
_WAITING_FOR_PERSON = AppReport(Presence.INSTALLING, AppReason.USER_PROMPTED)
_UNINSTALLED = AppReport(Presence.UNINSTALLED, AppReason.UNINSTALLED)
_DECLINED = AppReport(Presence.REJECTED, AppReason.USER_REJECTED)
_FAILED = AppReport(Presence.FAILED, AppReason.DOWNLOAD_FAILED)
#: `Status` in a ManagedApplicationList. An app being updated is installed.
_BY_STATUS = {
    "Managed": _INSTALLED,
    "UserInstalledApp": AppReport(Presence.INSTALLED, AppReason.NOT_MANAGED),
    "Updating": _INSTALLED,
    "ValidatingUpdate": _INSTALLED,
    "PromptingForUpdate": _INSTALLED,
    "PromptingForUpdateLogin": _INSTALLED,
    "Prompting": _WAITING_FOR_PERSON,
    "PromptingForLogin": _WAITING_FOR_PERSON,
    "PromptingForManagement": _WAITING_FOR_PERSON,
    "ManagedButUninstalled": _UNINSTALLED,
    "UserRejected": _DECLINED,
    "ManagementRejected": _DECLINED,
    "UpdateRejected": _DECLINED,
    "NeedsRedemption": AppReport(Presence.FAILED, AppReason.NO_LICENCE),
    "Failed": _FAILED,
    "Unknown": _FAILED,
}
#: An app whose update was declined stays as it is.
KEEPS_INSTALLED = {"UpdateRejected"}


def read_managed_status(item: dict[str, object]) -> AppReport:
    """Return what one entry of a ManagedApplicationList says. An unknown status means that the tablet is at it."""
    return _BY_STATUS.get(str(item.get("Status")), _INSTALLING)


def read_installed_app(app: dict[str, object]) -> AppReport:
    """Return what one entry of an InstalledApplicationList says."""
    if app.get("DownloadFailed") is True:
        return _FAILED
    return _INSTALLING if app.get("Installing") is True or app.get("DownloadWaiting") is True else _INSTALLED


#: `state` in Apple's status item `app.managed.list`.
_BY_DECLARED_STATE = {
    "managed": _INSTALLED,
    "failed": _FAILED,
    "managed-but-uninstalled": _UNINSTALLED,
    "prompting-for-consent": _WAITING_FOR_PERSON,
    "prompting-for-login": _WAITING_FOR_PERSON,
    "prompting-for-management": _WAITING_FOR_PERSON,
}
#: `code` of a reason in that item.
_BY_DECLARED_REASON = {
    "Error.LicenseNotFound": AppReason.NO_LICENCE,
    "Error.InvalidAppID": AppReason.REMOVED_FROM_STORE,
    "Error.AppStoreDisabled": AppReason.REMOVED_FROM_STORE,
    "Error.NotAnApp": AppReason.REMOVED_FROM_STORE,
    "Error.NotSupported": AppReason.OS_TOO_OLD,
    "Error.UserRejected": AppReason.USER_REJECTED,
    "Error.UnmanagedAppAlreadyInstalled": AppReason.NOT_MANAGED,
    "Error.IsSystemApp": AppReason.NOT_MANAGED,
}


def read_declared_app(row: dict[str, object]) -> AppReport:
    """Return what one row of the status item `app.managed.list` says. An unknown state means that the tablet is at it."""
    report = _BY_DECLARED_STATE.get(str(row.get("state")), _INSTALLING)
    reasons = row.get("reasons")
    codes = [str(reason.get("code")) for reason in reasons if isinstance(reason, dict)] if isinstance(reasons, list) else []
    reason = next((_BY_DECLARED_REASON[code] for code in codes if code in _BY_DECLARED_REASON), None)
    return AppReport(report.presence, reason) if report.presence is Presence.FAILED and reason is not None else report
