"""The licences that each grade of a town needs of each app, for a table of bundles by grade. Reads only.

See docs/domain/apps.md#licences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade
from profiles.apps.grade_repository import GradeRepository
from profiles.apps.licence_repository import LicenceRepository


@dataclass(frozen=True, slots=True)
class GradeNeed:
    """What requiring some apps in one grade needs. The licences are those of the app that is shortest.

    `tablets` are on loan in the grade; `needed` of them hold no licence yet; of the `owned` licences `free` are left, `missing` must
    be bought. All accounts of the town are added up; what each school lacks is in the preview of a place.
    """

    tablets: int
    needed: int
    owned: int
    free: int
    missing: int


@dataclass(frozen=True, slots=True)
class GradeCounts:
    """What a town's tablets and licences are, by app and by grade. Made by `load_grade_counts` with four statements."""

    tablets: dict[Grade, int]
    licences: dict[tuple[UUID, Grade], int]
    owned: dict[UUID, int]
    in_use: dict[UUID, int]

    def find_need(self, app_ids: Collection[UUID], grade: Grade) -> GradeNeed:
        """Return what requiring these apps in a grade needs. Apps whose licences are not counted need none."""
        tablets = self.tablets.get(grade, 0)
        needs = []
        for app_id in app_ids:
            if app_id in self.owned:
                owned = self.owned[app_id]
                free = owned - self.in_use.get(app_id, 0)
                needed = max(0, tablets - self.licences.get((app_id, grade), 0))
                needs.append(GradeNeed(tablets, needed, owned, free, max(0, needed - free)))
        return max(needs, key=lambda need: (need.missing, need.needed), default=GradeNeed(tablets, 0, 0, 0, 0))


def load_grade_counts(work: UnitOfWork, town_id: UUID, app_ids: Collection[UUID]) -> GradeCounts:
    """Return the counts from which the needs of every bundle and grade follow."""
    grades, licences = GradeRepository(work.session), LicenceRepository(work.session)
    pools = licences.list_pools(list(app_ids))
    used_by_pool = licences.count_in_use([pool.id for pool in pools])
    owned: Counter[UUID] = Counter()
    in_use: Counter[UUID] = Counter()
    for pool in pools:
        owned[pool.app_id] += pool.total
        in_use[pool.app_id] += used_by_pool.get(pool.id, 0) + pool.held_elsewhere
    return GradeCounts(
        tablets=grades.count_tablets(town_id),
        licences=grades.count_licences(town_id, list(owned)),
        owned=dict(owned),
        in_use=dict(in_use),
    )
