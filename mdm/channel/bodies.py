"""Commands ready for the wire: each body is opened and rendered once, then only its CommandUUID changes."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from mdm.protocol.commands.registry import build
from mdm.protocol.envelope import command_plist
from mdm.queue.models import CommandBody
from mdm.queue.rules import uuid_of

_PLACE = "00000000-0000-8000-8000-000000000000"
MAX_BYTES = 64 * 2**20


class RenderedBodies:
    """A bounded store of rendered bodies. Bodies never change, so nothing has to be forgotten in time."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes

    def load(self, session: Session, body_ids: Sequence[int]) -> None:
        """Render those of the bodies that are not here yet, with one query."""
        missing = sorted({body_id for body_id in body_ids if body_id not in self._kept})
        if not missing:
            return
        for body in session.query(CommandBody).filter(CommandBody.id.in_(missing)):
            rendered = command_plist(build(body.request_type, json.loads(body.args)), _PLACE)
            self._kept[body.id] = rendered
            self._bytes += len(rendered)
        while self._bytes > self._max_bytes and len(self._kept) > len(missing):
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)

    def plist(self, body_id: int, nonce: int, command_id: int) -> bytes:
        """The response that hands this command to its tablet."""
        return self._kept[body_id].replace(_PLACE.encode(), uuid_of(nonce, command_id).encode(), 1)
