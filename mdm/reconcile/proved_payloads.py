"""The payloads that a tablet has proved to have: those of the profile that it lists, and of its active and valid declarations. Reads only."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
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


def load_proved_payloads(work: UnitOfWork, tablet_id: UUID) -> list[dict[str, Any]]:
    """Return the payloads that the tablet lists, or reports as active and valid; none for a tablet that is not enrolled.

    Configurations that are no profile are returned as a payload with their type and content.
    """
    repository, devices = ReconcileRepository(work.session), DeviceRepository(work.session)
    channel = devices.load_enrolled_channels([tablet_id]).get(tablet_id)
    if channel is None:
        return []
    hashes: list[str] = []
    declared: list[dict[str, Any]] = []
    state = devices.get_declarative_state(channel.id)
    if state is not None and state.served_set_sha256 is not None:
        configurations = _list_effective(state, devices.load_declaration_items([state.served_set_sha256]))
        hashes += [_get_hash(each) for each in configurations if each["Type"] == f"{_CONFIGURATION}legacy"]
        declared = [{"PayloadType": each["Type"], **each["Payload"]} for each in configurations]
    row = repository.load_tablet_profiles([tablet_id]).get(tablet_id)
    if row is not None and row.state is ProfileState.VERIFIED:
        hashes.append(row.desired_sha256)
    profiles = repository.load_rendered_profiles(sorted(set(hashes)))
    listed = [payload for sha256 in hashes if sha256 in profiles for payload in _read_payloads(profiles[sha256].plain)]
    return [*declared, *listed]


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
