"""Refusals around device assignment, for the people who set it up."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class ServerUnknown(NotFound):
    """No such device-assignment server in the caller's reach."""

    code = "assignment_server_unknown"
    message = Message("This device-assignment server is unknown.")


class BadAssignmentToken(Invalid):
    """The file cannot be read as a token for this server. `why`: too_large, not_smime, not_for_this_key, no_message, wrong_shape."""

    code = "assignment_token_bad"
    message = Message("This file is no token for this server ({why}). Download it again from Apple School Manager.")


class TokenOver(Conflict):
    """The token has expired."""

    code = "assignment_token_expired"
    message = Message("This token expired on {expired}. Download a new one from Apple School Manager.")


class OtherPortalServer(Conflict):
    """The token belongs to another server entry of the portal: cursor, profiles and assignments are those of the present one."""

    code = "assignment_other_server"
    message = Message("This token belongs to another server entry of the portal. To replace it all the same, give a reason.")


class TokenElsewhere(Conflict):
    """Another device-assignment server of this installation uses the token: two sessions on one token end each other."""

    code = "assignment_token_in_use"
    message = Message("Another device-assignment server uses this token.")


class NoToken(Conflict):
    """No token has been uploaded yet."""

    code = "assignment_no_token"
    message = Message("No token has been uploaded.")


class DeviceUnknown(NotFound):
    """Apple does not assign this tablet to a server of the town."""

    code = "device_not_assigned"
    message = Message("Apple assigns this tablet to no server of the town.")
