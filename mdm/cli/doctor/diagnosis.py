"""What one check found, and how a list of findings is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Health(StrEnum):
    """Whether the server can go on."""

    GOOD = "good"
    WARNING = "warning"  # it works today
    FAILED = "failed"  # something does not work, or will not at the next start


EXIT_CODES = {Health.GOOD: 0, Health.WARNING: 1, Health.FAILED: 2}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check: what is so, and what a person does about it. It holds neither names nor secrets."""

    check: str
    health: Health
    text: str
    remedy: str = ""


def good(check: str, text: str) -> Diagnosis:
    """Return that a check found nothing to do."""
    return Diagnosis(check, Health.GOOD, text)


def warning(check: str, text: str, remedy: str) -> Diagnosis:
    """Return what somebody should do in the next days."""
    return Diagnosis(check, Health.WARNING, text, remedy)


def failed(check: str, text: str, remedy: str) -> Diagnosis:
    """Return what somebody must do now."""
    return Diagnosis(check, Health.FAILED, text, remedy)


def get_exit_code(diagnoses: Sequence[Diagnosis]) -> int:
    """Return 0 when all is good, 1 for warnings, 2 when something failed."""
    return max((EXIT_CODES[each.health] for each in diagnoses), default=0)


def render_text(diagnoses: Sequence[Diagnosis]) -> str:
    """Return the findings as lines, the remedy below each that needs one."""
    lines = []
    for each in diagnoses:
        lines.append(f"{each.health.value:8} {each.check}: {each.text}")
        lines += [f"{'':8} -> {each.remedy}"] if each.remedy else []
    return "\n".join(lines)


def render_json(diagnoses: Sequence[Diagnosis]) -> str:
    """Return the findings as JSON, for scripts."""
    return json.dumps({"exit_code": get_exit_code(diagnoses), "checks": [asdict(each) for each in diagnoses]}, indent=1)
