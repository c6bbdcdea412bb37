"""What requests and responses about documents, presets and their versions hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mdm.reconcile.rollouts import RolloutState
from mdm.reconcile.stage_rules import StageOutcome, StageTabletState
from profiles.catalog.secrets import hide_secrets_of
from profiles.effective.publishing import Publication
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind, StageKind, VersionState
from profiles.policy.life import Draft, Stage
from profiles.policy.models import PolicyVersion

_VALUES = {"all": {"allowCamera": True}, "night_rest": {"allowCamera": False}}


class DocumentIn(BaseModel):
    """The place whose document is opened. `target` is empty for a town, the name of a grade or role, or the id of the place."""

    town_id: UUID | None = None
    place: PlaceKind
    target: str = Field("", max_length=36, examples=["CE2"])
    name: str = Field("", max_length=120, description="Name of the place in explanations.")


class DocumentOut(BaseModel):
    """The policy document of a place. `live` is the number of the version in force."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID | None
    place: PlaceKind
    target: str
    name: str
    live: int | None = None


class PresetIn(BaseModel):
    """A preset to create: a bundle of apps, a filter, a home screen or an evaluation."""

    town_id: UUID
    kind: PresetKind
    name: str = Field(min_length=1, max_length=120, examples=["Filtre du cycle 2"])


class PresetOut(BaseModel):
    """A preset. `live` is the number of the version in force."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    kind: PresetKind
    name: str
    live: int | None = None


class PresetUseModel(BaseModel):
    """A preset that a document takes in, in all modes or in one. `use` says what becomes of the apps of a bundle."""

    preset_id: UUID
    mode: str = Field("all", max_length=32)
    use: AppUse | None = None


class ContentIn(BaseModel):
    """The content of a version: values by "all" or a mode and then by setting; locks by "all" or a mode; presets."""

    values: dict[str, dict[str, Any]] = Field(default={}, max_length=20, examples=[_VALUES])
    locks: dict[str, list[str]] = Field(
        default={}, max_length=20, examples=[{"all": ["allowCamera"]}], description="Settings that no narrower place may loosen."
    )
    presets: list[PresetUseModel] = Field(default=[], max_length=100)

    def to_content(self) -> PolicyContent:
        """Return it as the rules read it."""
        uses = tuple(PresetUse(each.preset_id, each.mode, each.use) for each in self.presets)
        return PolicyContent(self.values, self.locks, uses)


class DraftIn(ContentIn):
    """A new version. Publishing is refused when another version than `base` is live by then."""

    base: int | None = Field(None, description="The live version that it was written against; without it, the present one.")
    reason: str | None = Field(None, max_length=300)
    until: AwareDatetime | None = Field(None, description="When a temporary version ends by itself.")

    def to_draft(self) -> Draft:
        """Return it as the service takes it."""
        return Draft(self.to_content(), self.base, self.reason, self.until)


class VersionOut(BaseModel):
    """One version of a document or preset. Who may not write it does not read its secrets."""

    model_config = ConfigDict(from_attributes=True)
    number: int
    state: VersionState
    values: dict[str, dict[str, Any]]
    locks: dict[str, list[str]]
    presets: list[PresetUseModel]
    base: int | None
    reason: str | None
    until: datetime | None
    stage: StageKind | None
    stage_target: UUID | None
    advances: bool = Field(description="The server goes on to the next stage by itself.")
    stage_proved_at: datetime | None = Field(description="When the tablets of the stage had checked in under the new rules.")
    at_once_reason: str | None
    author_name: str
    written_at: datetime
    published_at: datetime | None
    stop_reason: str | None

    @classmethod
    def for_reader(cls, version: PolicyVersion, *, is_author: bool) -> VersionOut:
        """Return the response that describes a version. Only who may write it reads its secrets, to send them back unchanged."""
        described = cls.model_validate(version)
        if is_author:
            return described
        values = {
            mode: {key: hide_secrets_of(key, value) for key, value in part.items()} for mode, part in described.values.items()
        }
        return described.model_copy(update={"values": values})


class PublishIn(BaseModel):
    """How far a version goes now: to a tablet, a class, a school, or to all. A draft that goes to all needs a reason.

    What concerns a whole town goes to all by stages that the server chooses: one tablet, its class, its school, all.
    """

    stage: StageKind = StageKind.ALL
    target: UUID | None = None
    reason: str | None = Field(None, min_length=3, max_length=300)
    at_once_reason: str | None = Field(
        None, min_length=3, max_length=300, description="Why it goes to many tablets now, without the proof of a stage. Audited."
    )
    confirmation: str | None = Field(
        None, max_length=8, description="The code of the risks that the preview shows: they are known and meant."
    )
    accept_shortage: bool = Field(False, description="Publish although licences are short; the tablets that get none wait.")

    def to_publication(self) -> Publication:
        """Return it as the service takes it."""
        stage = Stage(self.stage, self.target)
        return Publication(stage, self.reason, self.at_once_reason, self.confirmation, self.accept_shortage)


class StopIn(BaseModel):
    """Why a roll-out is stopped."""

    reason: str = Field(min_length=3, max_length=200)


class RolloutOut(BaseModel):
    """A roll-out under way. `tablets` are those of its present stage by how far they are; none: it waits for a first tablet.

    `stalled`: it has waited for more than a day, and a person should look.
    """

    version: VersionOut
    outcome: StageOutcome | None
    tablets: dict[StageTabletState, int]

    @classmethod
    def of(cls, state: RolloutState) -> RolloutOut:
        """Return the response that describes a roll-out."""
        progress = state.progress
        return cls(
            version=VersionOut.for_reader(state.version, is_author=False),
            outcome=progress.outcome if progress is not None else None,
            tablets=dict(progress.tablets) if progress is not None else {},
        )


class UpdateReadinessOut(BaseModel):
    """How many tablets stand in which way to a version of iPadOS.

    `behind` are updated at the deadline; `unsupported` have a system before 17 or are not supervised.
    """

    up_to_date: int
    behind: int
    unsupported: int
    unknown: int
