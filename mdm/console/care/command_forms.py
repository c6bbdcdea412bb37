"""The fields of a form that gives a command, for one tablet and for many. Holds no rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, File, Form, UploadFile

from mdm.care.commands.parameters import MAX_IMAGE, CommandParameters, WallpaperPlace
from mdm.console.forms import parse_id


def _read_parameters(
    message: Annotated[str, Form(max_length=500)] = "",
    phone: Annotated[str, Form(max_length=100)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    time_zone: Annotated[str, Form(max_length=64)] = "",
    image: Annotated[UploadFile | None, File()] = None,
    place: Annotated[WallpaperPlace, Form()] = WallpaperPlace.BOTH,
    app: Annotated[str, Form(max_length=36)] = "",
) -> CommandParameters:
    content = image.file.read(MAX_IMAGE + 1) if image is not None else None
    return CommandParameters(
        message.strip() or None,
        phone.strip() or None,
        name.strip() or None,
        time_zone.strip() or None,
        content or None,
        place,
        parse_id(app),
    )


ParametersDep = Annotated[CommandParameters, Depends(_read_parameters)]
