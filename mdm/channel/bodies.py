"""A cache of encoded commands: each command body is decrypted and encoded once, then only the CommandUUID differs."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from mdm.protocol.commands.registry import build_command
from mdm.protocol.envelope import encode_command
from mdm.queue.models import CommandBody
from mdm.queue.rules import build_command_uuid

_UUID_PLACEHOLDER = "00000000-0000-8000-8000-000000000000"
MAX_BYTES = 64 * 2**20


class RenderedCommandCache:
    """The encoded commands by body id, limited in size. Bodies never change, so no entry becomes stale."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._encoded: OrderedDict[int, bytes] = OrderedDict()
        self._total_bytes = 0
        self._max_bytes = max_bytes

    def render_missing(self, session: Session, body_ids: Sequence[int]) -> None:
        """Load and encode those of the bodies that are not cached yet, with one query."""
        missing_ids = sorted({body_id for body_id in body_ids if body_id not in self._encoded})
        if not missing_ids:
            return
        for body in session.query(CommandBody).filter(CommandBody.id.in_(missing_ids)):
            encoded = encode_command(build_command(body.request_type, json.loads(body.args)), _UUID_PLACEHOLDER)
            self._encoded[body.id] = encoded
            self._total_bytes += len(encoded)
        while self._total_bytes > self._max_bytes and len(self._encoded) > len(missing_ids):
            _, dropped = self._encoded.popitem(last=False)
            self._total_bytes -= len(dropped)

    def get_plist(self, body_id: int, nonce: int, command_id: int) -> bytes:
        """Return the response body that delivers this command to its tablet."""
        return self._encoded[body_id].replace(_UUID_PLACEHOLDER.encode(), build_command_uuid(nonce, command_id).encode(), 1)
