"""A change of mode that only the clock brings: decided once for all tablets with the same hours, and announced in a few statements.

A tablet takes part while its last full decision (`service.reconcile_tablets`) stands: nothing but its mode changes with the clock, and
its declarations carry all of it. Whatever else changes leaves a job of its own, and a full decision then. Never commits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeclarationStatus, Manifest
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.commands.actions import DeclarativeManagement
from mdm.queue import service as queue
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.announced_sets import AnnouncedSets
from mdm.reconcile.declarations import ANNOUNCEMENT_LIFETIME, REPORT_TIMEOUT
from mdm.reconcile.mode_switch_repository import DueTablet, ModeSwitchRepository, NextMode
from profiles.effective.compile import DesiredState
from profiles.effective.decision_settings import describe_decision_settings
from profiles.schedule.current_modes import RETRY_AFTER
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.mode_groups import ModeGroup, evaluate_groups
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import ModeEvaluation

#: Tablets of one transaction: a status report of one of them waits for it at most.
TABLETS_PER_RUN = 2000


def list_mode_only_bases(
    settings: Settings, evaluations: Mapping[UUID, ModeEvaluation], desired_by_tablet: Mapping[UUID, DesiredState]
) -> dict[UUID, str]:
    """Return the tablets of which nothing but the mode changes with the clock, each with what its decision depended on."""
    described = describe_decision_settings(settings)
    return {
        tablet_id: _compute_basis(described, desired.declaration_set)
        for tablet_id, desired in desired_by_tablet.items()
        if desired.declarations_suffice
        and desired.declaration_set is not None
        and evaluations[tablet_id].depends_on_schedule_only
    }


@cache
def _compute_basis(settings: str, declaration_set: str) -> str:
    return hashlib.sha256(f"{settings}\n{declaration_set}".encode()).hexdigest()


def switch_modes(work: UnitOfWork, town_id: UUID) -> None:
    """Bring the tablets of a town whose mode is due into their next mode; those that need a full decision get a job for it.

    One call takes `TABLETS_PER_RUN` tablets, and leaves a job for the next ones.
    """
    due = ModeSwitchRepository(work.session).lock_due_tablets(town_id, work.now, TABLETS_PER_RUN)
    if due:
        _switch_tablets(work, due)
    if len(due) == TABLETS_PER_RUN:
        work.enqueue_job(Topic.MODES, town_id, lane=JobLane.BACKGROUND)
    else:
        decide_due_tablets(work, town_id)


def decide_due_tablets(work: UnitOfWork, town_id: UUID) -> None:
    """Enqueue a full decision for every tablet of a town whose mode is due, in one statement, however late it is."""
    repository = ScheduleRepository(work.session)
    work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_due(town_id, work.now), lane=JobLane.BACKGROUND)
    repository.postpone_evaluation(town_id, work.now, work.now + RETRY_AFTER)


def _switch_tablets(work: UnitOfWork, due: Sequence[DueTablet]) -> None:
    repository = ModeSwitchRepository(work.session)
    announcements = {row.enrollment_id: row for row in repository.lock_announcements([each.enrollment_id for each in due])}
    evaluations = evaluate_groups(work, {_get_group(each) for each in due}, work.now)
    sets = AnnouncedSets(
        DeviceRepository(work.session).load_declaration_items(
            sorted({row.set_sha256 for row in announcements.values() if row.set_sha256 is not None})
        )
    )
    settings = describe_decision_settings(work.settings)
    modes: list[NextMode] = []
    undecided: list[UUID] = []
    announced: dict[tuple[str, Mode], list[int]] = {}
    for tablet in due:
        evaluation, row = evaluations[_get_group(tablet)], announcements.get(tablet.enrollment_id)
        current = _read_settled_manifest(work, row) if row is not None else None
        if row is None or current is None or tablet.mode_only_basis != _compute_basis(settings, current.set_sha256):
            undecided.append(tablet.tablet_id)
            continue
        following = replace(current, mode=evaluation.mode)
        if not sets.apply_the_same(current, following):
            if following == Manifest.build(row.served_set_sha256, row.served_mode, row.served_repairs):
                undecided.append(tablet.tablet_id)  # the tablet has it already: what its last report proves must be read
                continue
            announced.setdefault((current.set_sha256, evaluation.mode), []).append(tablet.enrollment_id)
        modes.append(NextMode(tablet.tablet_id, evaluation.mode, evaluation.next_evaluation_at))
    repository.save_modes(modes, work.now)
    repository.require_full_decisions(undecided)
    _announce(work, repository, sets, announced)


def _get_group(tablet: DueTablet) -> ModeGroup:
    return ModeGroup(
        tablet.town_id,
        tablet.school_id,
        tablet.class_id,
        tablet.grade,
        tablet.after_school or AfterSchool.UNKNOWN,
        tablet.is_staff,
    )


def _read_settled_manifest(work: UnitOfWork, row: Any) -> Manifest | None:
    """Return what is announced; None for a tablet that waits for something else than the mode."""
    is_settled = row.status is DeclarationStatus.CONFIRMED or (row.next_check_at is not None and row.next_check_at > work.now)
    return Manifest.build(row.set_sha256, row.mode, {}) if is_settled and not row.repairs else None


def _announce(
    work: UnitOfWork, repository: ModeSwitchRepository, sets: AnnouncedSets, announced: Mapping[tuple[str, Mode], Sequence[int]]
) -> None:
    """Announce to each group of enrollments its set in another mode, as `declarations.publish_set` does for each tablet."""
    rows = [(enrollment_id, mode) for (_, mode), enrollment_ids in announced.items() for enrollment_id in enrollment_ids]
    repository.announce_modes(rows, work.now, work.now + REPORT_TIMEOUT)
    deadline = DeliveryOptions(deadline=work.now + ANNOUNCEMENT_LIFETIME)
    for (sha256, mode), enrollment_ids in announced.items():
        tokens = ddm.build_tokens_response(sets.build_contents(Manifest(sha256, mode, {})).token, work.now)
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=tokens), enrollment_ids, timing=deadline)
