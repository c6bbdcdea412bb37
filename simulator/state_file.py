"""Saves a fleet to a JSON file and loads it again, keys included, so that the same tablets continue."""

from __future__ import annotations

import base64
import json
import os
import plistlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.device import DeviceState, InstalledProfile, LostMode, MdmEnrollment, SimulatedApp
from simulator.errors import InvalidProfile, SimulatorError
from simulator.hardware import Hardware
from simulator.identity import Identity
from simulator.profile import ConfigurationProfile, parse_profile
from simulator.tablet import SimulatedTablet

FORMAT = 1
_PLAIN_FIELDS = (
    *("supervised", "name", "has_passcode", "unlocked", "powered", "erased", "awaiting_configuration", "battery", "push_token"),
    *("push_magic", "unlock_token", "bypass_code", "books", "provisioning_profiles", "settings", "declarations"),
)


def save_fleet(tablets: list[SimulatedTablet], path: Path) -> None:
    """Replace the file atomically; only its owner may read it."""
    rows = [
        {"code": tablet.code, "behaviour": tablet.behaviour.serialize(), "device": serialize_device(tablet.device)}
        for tablet in tablets
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "tablets": rows}, file, default=_encode_value)
    draft.replace(path)


def load_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file (code, behaviour, device); an empty list when there is no file.

    Raises `SimulatorError` for a file of another version or kind.
    """
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
    """Return a device as a dictionary for JSON; `_encode_value` encodes its bytes and dates."""
    enrolment = device.enrollment
    return {name: getattr(device, name) for name in _PLAIN_FIELDS} | {
        "hardware": asdict(device.hardware),
        "position": list(device.position),
        "lost": asdict(device.lost_mode) if device.lost_mode else None,
        "apps": [asdict(app) for app in device.apps.values()],
        "profiles": [
            _serialize_profile(installed.profile) | {"managed": installed.managed, "installed_at": installed.installed_at}
            for installed in device.profiles.values()
        ],
        "enrolment": {
            "identity": enrolment.identity.to_pem(),
            "profile": enrolment.profile.identifier,
            "unlock_token_sent": enrolment.unlock_token_sent,
        }
        if enrolment
        else None,
    }


def parse_device(saved: dict[str, Any]) -> DeviceState:
    """Return the device that `serialize_device` serialized. Raises `SimulatorError`."""
    try:
        device = DeviceState(Hardware(**saved["hardware"]), **{name: saved[name] for name in _PLAIN_FIELDS})
        device.position = (saved["position"][0], saved["position"][1])
        device.lost_mode = LostMode(**saved["lost"]) if saved["lost"] else None
        device.apps = {row["identifier"]: SimulatedApp(**row) for row in saved["apps"]}
        installed = [
            InstalledProfile(_parse_profile(row), row["managed"], installed_at=row.get("installed_at"))
            for row in saved["profiles"]
        ]
        device.profiles = {entry.profile.identifier: entry for entry in installed}
        if saved["enrolment"]:
            device.enrollment = _parse_enrollment(device, saved["enrolment"])
    except (KeyError, TypeError, ValueError, InvalidProfile) as error:
        raise SimulatorError(f"the state of a tablet does not read: {error}") from error
    return device


def _parse_enrollment(device: DeviceState, saved: dict[str, Any]) -> MdmEnrollment:
    enrolment_profile = device.profiles[saved["profile"]].profile
    if enrolment_profile.mdm_settings is None:
        raise InvalidProfile("the enrolment profile has no MDM payload")
    return MdmEnrollment(
        enrolment_profile.mdm_settings,
        Identity.from_pem(saved["identity"]),
        enrolment_profile,
        unlock_token_sent=saved["unlock_token_sent"],
    )


def _serialize_profile(profile: ConfigurationProfile) -> dict[str, Any]:
    return {"plist": plistlib.dumps(profile.content), "signers": list(profile.signers)}


def _parse_profile(row: dict[str, Any]) -> ConfigurationProfile:
    return ConfigurationProfile(parse_profile(row["plist"]).content, tuple(row["signers"]))


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
