"""What can be wrong with a message on Apple's wire. Three exceptions, so that edges catch nothing else."""

from __future__ import annotations


class ProtocolError(ValueError):
    """A message from outside that cannot be accepted."""


class BadPlist(ProtocolError):
    """The bytes are no property list that we accept."""


class BadSignature(ProtocolError):
    """The CMS structure or the certificate header is damaged, unsupported, or does not fit the body."""


class BadMessage(ProtocolError):
    """The property list is well formed but is not the message it should be."""
