"""Errors of places."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid
from cartable.i18n import Message


class InvalidUai(Invalid):
    """The school code is not well formed; `why` is `uai_length`, `uai_format` or `uai_check_letter`."""

    code = "invalid_uai"
    message = Message("This school code (UAI) is not valid ({why}).")


class MistypedSchool(Invalid):
    """A line of a list of schools, on which something else depends, has a code that is not well formed."""

    code = "mistyped_school"
    message = Message("The school code (UAI) {uai} is wrong: its last letter does not fit its digits, or a character is missing.")

    def __init__(self, uai: str) -> None:
        super().__init__(uai=uai, field="schools")


class SchoolExists(Conflict):
    """A school with this code exists already."""

    code = "school_exists"
    message = Message("This school exists already.")


class UnknownTimeZone(Invalid):
    """The name is no time zone of the world."""

    code = "unknown_time_zone"
    message = Message("“{name}” is not a time zone. Write it like Europe/Paris or Indian/Reunion.")


class InvalidName(Invalid):
    """The name is empty, too long, or has characters that nobody can read."""

    code = "invalid_name"
    message = Message("Write a name of {maximum} characters at most.")


class InvalidSlug(Invalid):
    """The short name of a town has other characters than small letters, digits and hyphens."""

    code = "invalid_slug"
    message = Message("The short name has small letters, digits and hyphens, such as belleville-sur-craie.")


class InvalidTagPrefix(Invalid):
    """Inventory tags cannot begin with this."""

    code = "invalid_tag_prefix"
    message = Message("Inventory tags begin with two to eight capital letters or digits, a letter first.")


class InvalidHost(Invalid):
    """The host name of a town is not a full name of the DNS."""

    code = "invalid_host"
    message = Message("Write a full host name such as tablets.belleville.example, without https:// and without a port.")


class HostTaken(Conflict):
    """Another town has this host name, or the installation itself."""

    code = "host_taken"
    message = Message("This host name is in use already.")


class InvalidPhone(Invalid):
    """The phone number cannot be dialled."""

    code = "invalid_phone"
    message = Message("This is not a phone number. Write it like 01 23 45 67 89 or +33 1 23 45 67 89.")


class InvalidLostMessage(Invalid):
    """The message for lost tablets is too long, or has characters that nobody can read."""

    code = "invalid_lost_message"
    message = Message("Write a message of {maximum} characters at most, on one line.")


class TownExists(Conflict):
    """Another town has this short name, or its inventory tags begin alike."""

    code = "town_exists"
    message = Message("Another town has this short name, or its inventory tags begin alike.")


class TooManySchools(Invalid):
    """A list of schools has too many lines."""

    code = "too_many_schools"
    message = Message("A list has {maximum} schools at most.")


class UnreadableSchoolList(Invalid):
    """The file is no list of schools."""

    code = "unreadable_school_list"
    message = Message(
        "No list of schools was found: write a code (UAI) and a name on each line, or take the ministry's directory as CSV."
    )
