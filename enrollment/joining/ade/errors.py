"""Errors of Automated Device Enrollment, for the people who set it up."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message


class AdeServerNotFound(NotFound):
    """The ADE server does not exist, or the caller may not see it."""

    code = "ade_server_not_found"
    message = Message("This device-assignment server is unknown.")


class InvalidServerToken(Invalid):
    """The file is no token for this server. `why`: too_large, not_smime, not_for_this_key, no_message, wrong_shape."""

    code = "ade_token_invalid"
    message = Message("This file is no token for this server ({why}). Download it again from Apple School Manager.")


class ServerTokenExpired(Conflict):
    """The server token has expired."""

    code = "ade_token_expired"
    message = Message("This token expired on {expired}. Download a new one from Apple School Manager.")


class OtherPortalServer(Conflict):
    """The token belongs to another MDM server of the portal than the stored cursor, profiles and devices."""

    code = "ade_other_server"
    message = Message("This token belongs to another server entry of the portal. To replace it all the same, give a reason.")


class ServerTokenInUse(Conflict):
    """Another ADE server of this installation uses the token: two sessions of one token would end each other."""

    code = "ade_token_in_use"
    message = Message("Another device-assignment server uses this token.")


class NoServerToken(Conflict):
    """The ADE server has no token yet."""

    code = "ade_no_token"
    message = Message("No token has been uploaded.")


class DeviceNotAssigned(NotFound):
    """The tablet is not assigned to an ADE server of the town."""

    code = "device_not_assigned"
    message = Message("Apple assigns this tablet to no server of the town.")
