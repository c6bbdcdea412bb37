"""Errors of `mdm.protocol`: what can be wrong with a message that a tablet sent."""

from __future__ import annotations


class ProtocolError(ValueError):
    """A message cannot be accepted. The base class of this package's errors about messages."""


class BadPlist(ProtocolError):
    """The bytes are not a property list, or exceed a limit."""


class BadSignature(ProtocolError):
    """The CMS structure or the certificate header is damaged or unsupported, or the signature does not match the body."""


class BadMessage(ProtocolError):
    """The property list is well formed, but a required key is missing or a value has a wrong type."""
