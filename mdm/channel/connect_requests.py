"""A request of the connect loop after its sender was accepted: what results and deliveries are decided from."""

from __future__ import annotations

from dataclasses import dataclass

from mdm.channel.messages import ChannelRequest
from mdm.channel.repository import EnrollmentSnapshot
from mdm.protocol.connect import CommandStatus, ConnectMessage
from mdm.queue.batch_statements import DeliveryCandidate


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """One accepted request of the connect loop. `candidate`: the first open command when the batch was loaded."""

    index: int
    request: ChannelRequest
    message: ConnectMessage
    enrollment: EnrollmentSnapshot
    candidate: DeliveryCandidate | None

    @property
    def is_idle(self) -> bool:
        return self.message.status is CommandStatus.IDLE
