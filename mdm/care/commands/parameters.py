"""The parameters of a command that a person gives: what each kind takes, their checks, and how they are stored. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from uuid import UUID
from zoneinfo import available_timezones

from cartable.errors import Invalid
from mdm.care.commands.kinds import CommandKind

#: Placeholders of a name: the name of a device is read by everybody around it, so it holds no name of a child or a class.
NAME_PLACEHOLDERS = frozenset({"tag", "serial"})
DEFAULT_NAME = "{tag}"
MAX_NAME, MAX_MESSAGE, MAX_PHONE, MAX_IMAGE = 60, 200, 40, 2 * 2**20
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_IMAGE_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class WallpaperPlace(IntEnum):
    """Where a picture is shown: `Where` of the command."""

    LOCK_SCREEN = 1
    HOME_SCREEN = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class CommandParameters:
    """What a person adds to a command; each kind takes some of it. `name`: a pattern with placeholders such as `{tag}`."""

    message: str | None = None
    phone: str | None = None
    name: str | None = None
    time_zone: str | None = None
    image: bytes | None = None
    place: WallpaperPlace = WallpaperPlace.BOTH
    app_id: UUID | None = None


NO_PARAMETERS = CommandParameters()


def check_parameters(kind: CommandKind, parameters: CommandParameters) -> None:
    """Raise `Invalid` with the field that is missing or unacceptable for this kind."""
    if len(parameters.message or "") > MAX_MESSAGE:
        raise Invalid(field="message", maximum=MAX_MESSAGE)
    if len(parameters.phone or "") > MAX_PHONE:
        raise Invalid(field="phone", maximum=MAX_PHONE)
    if kind is CommandKind.RENAME:
        _check_name(parameters.name or "")
    if kind is CommandKind.TIME_ZONE and parameters.time_zone not in available_timezones():
        raise Invalid(field="time_zone")
    if kind is CommandKind.INSTALL_APP and parameters.app_id is None:
        raise Invalid(field="app_id")
    if kind is CommandKind.WALLPAPER:
        image = parameters.image or b""
        if not image.startswith(_IMAGE_BEGINNINGS) or len(image) > MAX_IMAGE:
            raise Invalid(field="image", maximum=MAX_IMAGE)


def _check_name(pattern: str) -> None:
    unknown = [name for name in _PLACEHOLDER.findall(pattern) if name not in NAME_PLACEHOLDERS]
    rest = _PLACEHOLDER.sub("", pattern)
    if not pattern.strip() or len(pattern) > MAX_NAME or unknown or "{" in rest or "}" in rest or not pattern.isprintable():
        raise Invalid(field="name", maximum=MAX_NAME)


def build_name(pattern: str, values: Mapping[str, str]) -> str:
    """Return the name that a pattern gives to a tablet with these values."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], pattern)


def dump_parameters(parameters: CommandParameters) -> str:
    """Return the parameters as JSON, without those that are empty."""
    values = {name: value for name, value in asdict(parameters).items() if value is not None}
    if parameters.image is not None:
        values["image"] = base64.b64encode(parameters.image).decode()
    return json.dumps(values, default=str)


def load_parameters(text: str) -> CommandParameters:
    """Return the parameters of `dump_parameters`."""
    values = {
        name: value for name, value in json.loads(text).items() if name in {field.name for field in fields(CommandParameters)}
    }
    if "image" in values:
        values["image"] = base64.b64decode(values["image"])
    if "app_id" in values:
        values["app_id"] = UUID(values["app_id"])
    return CommandParameters(**values | {"place": WallpaperPlace(values["place"])})
