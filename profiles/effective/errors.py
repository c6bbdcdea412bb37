"""Errors of publishing: what a version would do to the reach of tablets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartable.errors import Conflict, DomainError, Invalid
from cartable.i18n import Language, Message
from profiles.effective.assessment import RiskFinding
from profiles.policy.reachability_texts import RISK_TEXTS


class _RiskError(DomainError):
    """An error that carries findings; its sentence is that of the first one, with its remedy."""

    def __init__(self, findings: Sequence[RiskFinding], **details: object) -> None:
        super().__init__(risks=[_describe(finding) for finding in findings], **details)
        self.findings = findings

    def translate(self, language: Language) -> str:
        text = RISK_TEXTS[self.findings[0].risk.rule]
        return f"{self.message.translate(language)} {text.sentence.translate(language)} {text.remedy.translate(language)}"


class CutsTabletsOff(_RiskError, Invalid):
    """The version would cut tablets off or lock them out, and no confirmation helps. `risks` says what."""

    code = "cuts_tablets_off"
    message = Message("This is refused.")


class RisksNotConfirmed(_RiskError, Conflict):
    """The version could cut tablets off. Publishing again with the code in `confirmation` says that it is meant."""

    code = "risks_not_confirmed"
    message = Message("This must be confirmed.")


def _describe(finding: RiskFinding) -> dict[str, Any]:
    return {
        "rule": finding.risk.rule.value,
        "settings": list(finding.risk.settings),
        "modes": [mode.value for mode in finding.modes],
        "tablets": finding.tablets,
    }


class AppsNotOfClass(Invalid):
    """A class session is limited to apps that no tablet of the class shows."""

    code = "apps_not_of_class"
    message = Message("The tablets of this class do not have: {apps}. Choose among their apps.")


class SitesClosed(Invalid):
    """A class session asks for web sites that the filter closes on every tablet of the class."""

    code = "sites_closed"
    message = Message("The web filter of this class closes: {sites}. The town's administrator can let teachers open them.")
