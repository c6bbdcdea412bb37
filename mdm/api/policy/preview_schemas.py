"""What responses about a draft hold before it is published: its effects, its contradictions and risks, and the licences it needs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cartable.i18n import list_available_languages
from profiles.catalog.merge import StepOutcome
from profiles.catalog.secrets import hide_secrets_of
from profiles.effective.assessment import RiskFinding
from profiles.effective.preview import Preview
from profiles.policy.lint import LintRule
from profiles.policy.reachability import ReachabilityRule, Severity
from profiles.policy.reachability_texts import RISK_TEXTS
from profiles.schedule.modes import Mode


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
    held_elsewhere: int = Field(description="Of the owned ones: held by serial numbers that the town does not know.")


class FindingOut(BaseModel):
    """A contradiction between two settings of the draft; it cannot be saved like this."""

    model_config = ConfigDict(from_attributes=True)
    rule: LintRule
    mode: Mode
    setting: str
    other: str


class RiskOut(BaseModel):
    """A way in which the draft could cut tablets off or lock them out. Texts by language.

    `refused`: it cannot be published like this. `confirm`: publishing it needs the code in `confirmation`.
    """

    rule: ReachabilityRule
    severity: Severity
    settings: list[str]
    modes: list[Mode]
    tablets: int = Field(description="None: it waits for the first tablet that joins the place.")
    sentence: dict[str, str]
    remedy: dict[str, str]

    @classmethod
    def of(cls, finding: RiskFinding) -> RiskOut:
        """Return the response that describes a finding."""
        text = RISK_TEXTS[finding.risk.rule]
        return cls(
            rule=finding.risk.rule,
            severity=finding.risk.severity,
            settings=list(finding.risk.settings),
            modes=list(finding.modes),
            tablets=finding.tablets,
            sentence={language.code: text.sentence.translate(language) for language in list_available_languages()},
            remedy={language.code: text.remedy.translate(language) for language in list_available_languages()},
        )


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
    risks: list[RiskOut]
    confirmation: str | None = Field(description="The code that stands for these risks; none where there are none.")

    @classmethod
    def of(cls, preview: Preview) -> PreviewOut:
        """Return the response that describes a preview."""
        return cls(
            tablets=preview.tablets,
            changed=preview.changed,
            effects=[
                SettingEffectOut(
                    key=effect.change.key,
                    before=hide_secrets_of(effect.change.key, effect.change.before),
                    after=hide_secrets_of(effect.change.key, effect.change.after),
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
            risks=[RiskOut.of(each) for each in preview.assessment.findings],
            confirmation=preview.assessment.confirmation,
        )
