"""ADE profiles: define the profiles of a server and assign them in batches to the tablets that lack them.

Which tablets lack a profile is read from the database, so a crash costs at most one batch sent twice or one unused profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls
from enrollment.joining.ade import rules
from enrollment.joining.ade.models import AdeProfile, AdeServer, ProfileVariant
from enrollment.joining.ade.ports import (
    AdeAccount,
    AdeError,
    AdeErrorKind,
    AdeService,
    AssignmentResults,
    DeviceResult,
    ProfileStatus,
)
from enrollment.joining.ade.repository import AdeRepository
from enrollment.joining.ade.sync_lease import SyncLease
from enrollment.places.hosts import build_town_url
from enrollment.places.models import Town

log = structlog.get_logger()


@dataclass(slots=True)
class ProfileCounts:
    """What a run has defined and assigned."""

    defined: int = 0
    assigned: int = 0
    refused: int = 0


def assign_profiles(lease: SyncLease, service: AdeService, account: AdeAccount) -> ProfileCounts:
    """Assign the profiles of all variants to the tablets that lack them, and return the counts. Raises `AdeError`."""
    counts = ProfileCounts()
    for variant in ProfileVariant:
        try:
            _assign_variant(lease, service, account, variant, counts)
        except AdeError as error:
            if error.kind is not AdeErrorKind.NOT_FOUND:
                raise
            # Apple does not know the profile any more: define it again, once.
            with lease.open_unit_of_work() as work:
                AdeRepository(work.session).delete_profiles(lease.server_id, variant=variant)
            _assign_variant(lease, service, account, variant, counts)
    return counts


def build_profiles(work: UnitOfWork, server: AdeServer) -> dict[ProfileVariant, dict[str, object]]:
    """Return the current content of a server's profiles, by variant."""
    town = work.session.get_one(Town, server.town_id)
    profile_input = rules.ProfileInput(
        name=f"Cartable {server.name}",
        magic=str(server.id),
        url=build_town_url(work.settings.public_url, town.host) + "/join/automated",
        anchor=tls.read_tls_ca_certificate(work.settings),
        department=server.department or town.name[:80],
        support_phone=server.support_phone or town.support_phone or "",
        support_email=server.support_email,
        skip_setup_items=server.skip_setup_items,
    )
    return {variant: rules.build_profile_content(profile_input, variant) for variant in ProfileVariant}


def _assign_variant(
    lease: SyncLease, service: AdeService, account: AdeAccount, variant: ProfileVariant, counts: ProfileCounts
) -> None:
    after, uuid = "", ""
    while True:
        with lease.open_unit_of_work() as work:
            repository = AdeRepository(work.session)
            content = build_profiles(work, lease.get_server(work))[variant]
            known = repository.get_profiles_by_variant(lease.server_id).get(variant)
            content_sha256 = rules.hash_content(content)
            uuid = known.uuid if known is not None and known.content_sha256 == content_sha256 else ""
            serials = repository.list_serials_without_profile(
                lease.server_id, variant, uuid, work.now, after, account.assign_limit
            )
        if not serials:
            return
        if not uuid:
            uuid = service.define_profile(content)
            counts.defined += 1
            with lease.open_unit_of_work() as work:
                server = lease.get_server(work)
                profile = AdeProfile(
                    server_id=server.id, town_id=server.town_id, variant=variant, content_sha256=content_sha256, uuid=uuid,
                    defined_at=work.now,
                )  # fmt: skip
                work.session.merge(profile)
        answer = service.assign_profile(uuid, serials)
        with lease.open_unit_of_work() as work:
            _store_results(work, lease, serials, uuid, answer, counts)
        after = serials[-1]


def _store_results(
    work: UnitOfWork, lease: SyncLease, serials: Sequence[str], uuid: str, answer: AssignmentResults, counts: ProfileCounts
) -> None:
    """Store the results of a batch. A serial number without a result counts as failed."""
    rows = AdeRepository(work.session).get_devices_by_serial(lease.server_id, serials)
    for serial, row in rows.items():
        row.result = answer.results.get(serial, DeviceResult.FAILED)
        if row.result is DeviceResult.SUCCESS:
            row.profile_uuid, row.profile_status, row.profile_assigned_at = uuid, ProfileStatus.ASSIGNED, work.now
            row.attempts, row.retry_at = 0, None
            counts.assigned += 1
            continue
        counts.refused += 1
        wait = rules.compute_retry_delay(row.attempts)
        if row.result is DeviceResult.THROTTLED and answer.retry_after is not None:
            wait = min(timedelta(seconds=answer.retry_after), rules.MAX_RETRY)
        elif row.result is DeviceResult.NOT_ACCESSIBLE:
            wait = rules.MAX_RETRY
        row.attempts, row.retry_at = row.attempts + 1, work.now + wait
    refused = [serial for serial, row in rows.items() if row.result is not DeviceResult.SUCCESS]
    if refused:
        log.warning("ade.profile_not_assigned", server=str(lease.server_id), count=len(refused))
