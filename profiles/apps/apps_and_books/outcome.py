"""What one synchronisation with Apps and Books has learned and done, before it is stored. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiles.apps.apps_and_books.ports import AssignedLicences, ContentLocation, LicensedAsset
from profiles.apps.models import TokenProblem

#: A licence at Apple: store number of the app, serial number of the tablet.
LicenceKey = tuple[int, str]


@dataclass(slots=True)
class AccountExchange:
    """Filled step by step: what was done before a failure is stored too.

    `takeover_of` is the server whose claim a person had decided to end when it began. `assets` is None until Apple's list was read.
    `holders` has the apps whose licences were listed one by one. `refused` says by app what the service refused.
    """

    takeover_of: str | None = None
    location: ContentLocation | None = None
    assets: dict[int, LicensedAsset] | None = None
    skipped_rows: int = 0
    holders: dict[int, AssignedLicences] = field(default_factory=dict)
    is_compared: bool = False
    is_ours: bool = False
    is_claimed_now: bool = False
    assigned: set[LicenceKey] = field(default_factory=set)
    returned: set[LicenceKey] = field(default_factory=set)
    failed: set[LicenceKey] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    problem: TokenProblem | None = None
    problem_detail: str | None = None
    retry_after: float | None = None
