"""What a tablet is for now, what it changes to next, and which web filter it has proved, in words. Reads only."""

from __future__ import annotations

from cartable.i18n import Language
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.tablets.models import Tablet
from mdm.care.web_filter import load_proved_filter
from mdm.console.labels import FILTER_PARTS, mode_label
from mdm.console.times import format_instant
from profiles.schedule.service import evaluate_modes


def describe_mode(work: UnitOfWork, tablet: Tablet, language: Language) -> dict[str, str]:
    """Return the mode of a tablet now, the next one with its instant, empty where nothing changes, and the parts of its proved filter."""
    facts = load_facts(work, [tablet.id])
    parts = load_proved_filter(work, facts[tablet.id]).parts
    words = {"filter": ", ".join(FILTER_PARTS[part].translate(language) for part in parts)}
    evaluation = evaluate_modes(work, facts.values()).get(tablet.id)
    if evaluation is None:
        return words | {"now": "–", "next": "", "next_at": ""}
    at = evaluation.next_evaluation_at
    following = evaluate_modes(work, facts.values(), at).get(tablet.id) if at is not None else None
    changes = following is not None and following.mode is not evaluation.mode
    return words | {
        "now": mode_label(evaluation.mode, language),
        "next": mode_label(following.mode, language) if following is not None and changes else "",
        "next_at": format_instant(at) if changes else "",
    }
