"""The payloads that tablets have proved to have: those of the profile that one lists, and of its active and valid declarations. Reads only."""

from __future__ import annotations

import plistlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from mdm.devices.declaration_rules import check_declarations, find_named_mode
from mdm.devices.manifests import build_manifest_contents
from mdm.devices.models import DeclarativeState
from mdm.devices.repository import DeviceRepository
from mdm.reconcile.models import ProfileState
from mdm.reconcile.repository import ReconcileRepository

_CONFIGURATION = "com.apple.configuration."


def load_proved_payloads(work: UnitOfWork, tablet_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Return the payloads that each tablet lists, or reports as active and valid, in a constant number of queries.

    Tablets that are not enrolled are left out. Configurations that are no profile are returned as a payload with their type and content.
    """
    repository, devices = ReconcileRepository(work.session), DeviceRepository(work.session)
    channels = devices.load_enrolled_channels(tablet_ids)
    states = devices.load_declarative_states([channel.id for channel in channels.values()])
    sets = devices.load_declaration_items({state.served_set_sha256 for state in states.values() if state.served_set_sha256})
    rows = repository.load_tablet_profiles(list(channels))
    configurations: dict[UUID, list[Mapping[str, Any]]] = {}
    hashes: dict[UUID, list[str]] = {}
    for tablet_id, channel in channels.items():
        state = states.get(channel.id)
        effective = _list_effective(state, sets) if state is not None and state.served_set_sha256 is not None else []
        configurations[tablet_id] = effective
        hashes[tablet_id] = [_get_hash(each) for each in effective if each["Type"] == f"{_CONFIGURATION}legacy"]
        row = rows.get(tablet_id)
        if row is not None and row.state is ProfileState.VERIFIED:
            hashes[tablet_id].append(row.desired_sha256)
    rendered = repository.load_rendered_profiles(sorted({sha256 for each in hashes.values() for sha256 in each}))
    payloads = {sha256: _read_payloads(profile.plain) for sha256, profile in rendered.items()}
    return {
        tablet_id: [
            *({"PayloadType": each["Type"], **each["Payload"]} for each in configurations[tablet_id]),
            *(payload for sha256 in hashes[tablet_id] for payload in payloads.get(sha256, ())),
        ]
        for tablet_id in channels
    }


def _list_effective(state: DeclarativeState, sets: Mapping[str, list[dict[str, Any]]]) -> list[Mapping[str, Any]]:
    """Return the configurations of the served set that the tablet reports as active and valid, in the mode that it reports."""
    served, reported = state.served, state.reported_declarations or {}
    mode = find_named_mode(served.repairs, reported) if served is not None else None
    if served is None or mode is None:
        return []
    contents = build_manifest_contents(sets.get(served.set_sha256, ()), replace(served, mode=mode))
    if not check_declarations(contents, reported).is_confirmed:
        return []
    effective = contents.effective_identifiers
    return [each for each in contents.items if each["Identifier"] in effective and each["Kind"] == "configuration"]


def _get_hash(configuration: Mapping[str, Any]) -> str:
    return urlsplit(str(configuration["Payload"]["ProfileURL"])).path.rpartition("/")[2]


def _read_payloads(plain: bytes) -> list[dict[str, Any]]:
    return list(plistlib.loads(plain)["PayloadContent"])
