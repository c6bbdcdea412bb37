"""What requests and responses about documents, presets and their versions hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from profiles.catalog.merge import StepOutcome
from profiles.effective.preview import Preview
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind, StageKind, VersionState
from profiles.policy.life import Draft
from profiles.policy.lint import LintRule
from profiles.schedule.modes import Mode

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
    """One version of a document or preset."""

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
    author_name: str
    written_at: datetime
    published_at: datetime | None
    stop_reason: str | None


class PublishIn(BaseModel):
    """How far a version goes now: to a tablet, a class, a school, or to all. A draft that goes to all at once needs a reason."""

    stage: StageKind = StageKind.ALL
    target: UUID | None = None
    reason: str | None = Field(None, min_length=3, max_length=300)
    accept_shortage: bool = Field(False, description="Publish although licences are short; the tablets that get none wait.")


class StopIn(BaseModel):
    """Why a roll-out is stopped."""

    reason: str = Field(min_length=3, max_length=200)


class SettingEffectOut(BaseModel):
    """One setting that would change, from what to what, in which modes, on how many tablets."""

    key: str
    before: Any
    after: Any
    modes: list[Mode]
    tablets: int


class DraftOutcomeOut(BaseModel):
    """What would become of one setting of the draft. `by` names the places that replace or bound it."""

    model_config = ConfigDict(from_attributes=True)
    key: str
    outcome: StepOutcome
    by: list[str]
    modes: list[Mode]
    tablets: int


class LicenceNeedOut(BaseModel):
    """What requiring one app would need."""

    model_config = ConfigDict(from_attributes=True)
    app: str
    needed: int
    owned: int
    free: int
    missing: int


class FindingOut(BaseModel):
    """A contradiction between two settings of the draft; it cannot be saved like this."""

    model_config = ConfigDict(from_attributes=True)
    rule: LintRule
    mode: Mode
    setting: str
    other: str


class PreviewOut(BaseModel):
    """What a draft would change. `tablets` are concerned, `changed` would get another configuration."""

    tablets: int
    changed: int
    effects: list[SettingEffectOut]
    outcomes: list[DraftOutcomeOut]
    ineffective_settings: list[str]
    licences: list[LicenceNeedOut]
    opens: list[str]
    closes: list[str]
    findings: list[FindingOut]

    @classmethod
    def of(cls, preview: Preview) -> PreviewOut:
        """Return the response that describes a preview."""
        return cls(
            tablets=preview.tablets,
            changed=preview.changed,
            effects=[
                SettingEffectOut(
                    key=effect.change.key,
                    before=effect.change.before,
                    after=effect.change.after,
                    modes=list(effect.modes),
                    tablets=effect.tablets,
                )
                for effect in preview.effects
            ],
            outcomes=[DraftOutcomeOut.model_validate(each) for each in preview.outcomes],
            ineffective_settings=list(preview.ineffective_settings),
            licences=[LicenceNeedOut.model_validate(each) for each in preview.licences],
            opens=list(preview.opens),
            closes=list(preview.closes),
            findings=[FindingOut.model_validate(each) for each in preview.findings],
        )
