"""Writing a fleet to a JSON file and reading it again, keys included, so that the same tablets come back."""

from __future__ import annotations

import base64
import json
import os
import plistlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator import profile
from simulator.device import SimulatedApp, DeviceState, MdmEnrollment, InstalledProfile, LostMode
from simulator.errors import InvalidProfile, SimulatorError
from simulator.hardware import Hardware
from simulator.identity import Identity
from simulator.profile import ConfigurationProfile
from simulator.tablet import SimulatedTablet

FORMAT = 1
_PLAIN_FIELDS = (
    *("supervised", "name", "passcode", "unlocked", "powered", "erased", "awaiting_configuration", "battery", "push_token"),
    *("push_magic", "unlock_token", "bypass_code", "books", "provisioning", "settings", "declarations"),
)


def save_fleet(tablets: list[SimulatedTablet], path: Path) -> None:
    """Replace the file at once; only its owner may read it."""
    rows = [{"code": one.code, "behaviour": one.behaviour.serialize(), "device": serialize_device(one.device)} for one in tablets]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "tablets": rows}, file, default=_encode_value)
    draft.replace(path)


def load_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file: code, behaviour, device. None when there is no file. Raises `SimulatorError` for another file."""
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_hook=_decode_value)
        if document["format"] != FORMAT:
            raise SimulatorError(f"{path}: written by another version")
        return list(document["tablets"])
    except (ValueError, KeyError, TypeError) as error:
        raise SimulatorError(f"{path}: no state of simulated tablets ({error})") from error


def serialize_device(device: DeviceState) -> dict[str, Any]:
    """A device as JSON can hold it, with `_out` for bytes and dates."""
    enrolment = device.enrollment
    return {name: getattr(device, name) for name in _PLAIN_FIELDS} | {
        "hardware": asdict(device.hardware),
        "position": list(device.position),
        "lost": asdict(device.lost_mode) if device.lost_mode else None,
        "apps": [asdict(app) for app in device.apps.values()],
        "profiles": [_serialize_profile(one.profile) | {"managed": one.managed} for one in device.profiles.values()],
        "enrolment": {
            "identity": enrolment.identity.to_pem(),
            "profile": enrolment.profile.identifier,
            "token_told": enrolment.unlock_token_sent,
        }
        if enrolment
        else None,
    }


def parse_device(kept: dict[str, Any]) -> DeviceState:
    """The device that `pack` packed. Raises `SimulatorError`."""
    try:
        device = DeviceState(Hardware(**kept["hardware"]), **{name: kept[name] for name in _PLAIN_FIELDS})
        device.position = (kept["position"][0], kept["position"][1])
        device.lost_mode = LostMode(**kept["lost"]) if kept["lost"] else None
        device.apps = {row["identifier"]: SimulatedApp(**row) for row in kept["apps"]}
        installed = [InstalledProfile(_parse_profile(row), row["managed"]) for row in kept["profiles"]]
        device.profiles = {one.profile.identifier: one for one in installed}
        if kept["enrolment"]:
            device.enrollment = _parse_enrollment(device, kept["enrolment"])
    except (KeyError, TypeError, ValueError, InvalidProfile) as error:
        raise SimulatorError(f"the state of a tablet does not read: {error}") from error
    return device


def _parse_enrollment(device: DeviceState, kept: dict[str, Any]) -> MdmEnrollment:
    found = device.profiles[kept["profile"]].profile
    if found.mdm_settings is None:
        raise InvalidProfile("the enrolment profile has no MDM payload")
    return MdmEnrollment(found.mdm_settings, Identity.from_pem(kept["identity"]), found, unlock_token_sent=kept["token_told"])


def _serialize_profile(one: ConfigurationProfile) -> dict[str, Any]:
    return {"plist": plistlib.dumps(one.content), "signers": list(one.signers)}


def _parse_profile(row: dict[str, Any]) -> ConfigurationProfile:
    return ConfigurationProfile(profile.parse_profile(row["plist"]).content, tuple(row["signers"]))


def _encode_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    raise TypeError(f"{type(value).__name__} does not go into JSON")


def _decode_value(value: dict[str, Any]) -> Any:
    if value.keys() == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    return datetime.fromisoformat(value["$date"]) if value.keys() == {"$date"} else value
