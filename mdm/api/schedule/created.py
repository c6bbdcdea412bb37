"""The answer to what was created, shared by the endpoints of schedules."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class CreatedOut(BaseModel):
    """The id of what was created."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
