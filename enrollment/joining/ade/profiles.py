"""Seeing to it that every tablet assigned to a server carries its profile: define what is wanted, assign in batches.

What a device lacks is read from its row, so a crash costs at most one batch told twice, or one profile that nobody uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls
from enrollment.joining.ade import rules
from enrollment.joining.ade.models import AssignmentProfile, AssignmentServer, Variant
from enrollment.joining.ade.ports import Account, Assigned, AssignmentError, AssignmentService, ProfileStatus, Result, Trouble
from enrollment.joining.ade.repository import AssignmentRepository
from enrollment.joining.ade.sync_lease import Talk
from enrollment.places.models import Town

log = structlog.get_logger()


@dataclass(slots=True)
class Told:
    """What a run has assigned."""

    defined: int = 0
    assigned: int = 0
    refused: int = 0


def assign_profiles(talk: Talk, service: AssignmentService, account: Account) -> Told:
    """Assign the usual profile, and that of carts, to the tablets that lack it. Raises `AssignmentError`."""
    told = Told()
    for variant in Variant:
        try:
            _assign(talk, service, account, variant, told)
        except AssignmentError as error:
            if error.trouble is not Trouble.NOT_FOUND:
                raise
            # The service has forgotten the profile: it is defined again, once.
            with talk.work() as work:
                AssignmentRepository(work.session).forget_profiles(talk.server_id, variant=variant)
            _assign(talk, service, account, variant, told)
    return told


def wanted_profiles(work: UnitOfWork, server: AssignmentServer) -> dict[Variant, dict[str, object]]:
    """What the profiles of a server shall hold now."""
    town = work.session.get_one(Town, server.town_id)
    said = rules.Presented(
        name=f"Cartable {server.name}",
        magic=str(server.id),
        url=work.settings.public_url + "/join/automated",
        anchor=tls.tls_ca_certificate(work.settings),
        department=server.department or town.name[:80],
        support_phone=server.support_phone or town.support_phone or "",
        support_email=server.support_email,
        skipped=server.skipped,
    )
    return {variant: rules.profile_content(said, variant) for variant in Variant}


def _assign(talk: Talk, service: AssignmentService, account: Account, variant: Variant, told: Told) -> None:
    after, uuid = "", ""
    while True:
        with talk.work() as work:
            repository = AssignmentRepository(work.session)
            content = wanted_profiles(work, talk.server(work))[variant]
            known = repository.profiles(talk.server_id).get(variant)
            wanted = rules.content_hash(content)
            uuid = known.uuid if known is not None and known.content_sha256 == wanted else ""
            serials = repository.wanting(talk.server_id, variant, uuid, work.now, after, account.assign_limit)
        if not serials:
            return
        if not uuid:
            uuid = service.define(content)
            told.defined += 1
            with talk.work() as work:
                server = talk.server(work)
                made = AssignmentProfile(
                    server_id=server.id, town_id=server.town_id, variant=variant, content_sha256=wanted, uuid=uuid,
                    defined_at=work.now,
                )  # fmt: skip
                work.session.merge(made)
        answer = service.assign(uuid, serials)
        with talk.work() as work:
            _note(work, talk, serials, uuid, answer, told)
        after = serials[-1]


def _note(work: UnitOfWork, talk: Talk, serials: Sequence[str], uuid: str, answer: Assigned, told: Told) -> None:
    """Store what became of a batch. A serial number that the answer leaves out is taken for failed."""
    rows = AssignmentRepository(work.session).devices(talk.server_id, serials)
    for serial, row in rows.items():
        row.result = answer.results.get(serial, Result.FAILED)
        if row.result is Result.SUCCESS:
            row.profile_uuid, row.profile_status, row.profile_assigned_at = uuid, ProfileStatus.ASSIGNED, work.now
            row.attempts, row.retry_at = 0, None
            told.assigned += 1
            continue
        told.refused += 1
        wait = rules.wait_after(row.attempts)
        if row.result is Result.THROTTLED and answer.retry_after is not None:
            wait = min(timedelta(seconds=answer.retry_after), rules.LONGEST_RETRY)
        elif row.result is Result.NOT_ACCESSIBLE:
            wait = rules.LONGEST_RETRY
        row.attempts, row.retry_at = row.attempts + 1, work.now + wait
    refused = [serial for serial, row in rows.items() if row.result is not Result.SUCCESS]
    if refused:
        log.warning("assignment.not_assigned", server=str(talk.server_id), count=len(refused))
