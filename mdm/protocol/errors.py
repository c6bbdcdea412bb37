"""What can be wrong with a message on Apple's wire. Three exceptions, so that edges catch nothing else."""

from __future__ import annotations


class WireError(ValueError):
    """A message from outside that cannot be accepted."""


class BadPlist(WireError):
    """The bytes are no property list that we accept."""


class BadSignature(WireError):
    """The CMS structure or the certificate header is damaged, unsupported, or does not fit the body."""


class BadMessage(WireError):
    """The property list is well formed but is not the message it should be."""
