"""Papers of the desk as PDF: labels for tablets, sheets for a class's handover. Plain values in, bytes out."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import segno
import typst

from enrollment.tablets.models import AccessoryKind
from enrollment.tablets.papers.words import ACCESSORIES, RULES, SHEET
from mdm.kit.errors import Invalid
from mdm.kit.words import Language

_HERE = Path(__file__).parent
MOST_LABELS, MOST_SHEETS, LONGEST = 504, 60, 120


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a tablet. There is no place for a child's name (schools.md section 3.3)."""

    tag: str
    serial: str
    url: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One pupil at the table."""

    pupil: str
    tag: str
    take_home: bool
    agreed: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """Where and when."""

    town: str
    phone: str
    school: str
    class_label: str
    day: date


def labels(town: str, phone: str, wanted: Sequence[Label]) -> bytes:
    """Sheets of 24 labels with QR code and tag. Raises `Invalid` for none or too many."""
    if not 1 <= len(wanted) <= MOST_LABELS:
        raise Invalid(field="labels", maximum=MOST_LABELS)
    shown = [{"tag": label.tag[:24], "serial": label.serial[:64], "qr": _qr(label.url)} for label in wanted]
    return _pdf("labels.typ", {"town": town[:LONGEST], "phone": phone[:40], "labels": shown})


def handover_sheets(heading: Heading, wanted: Sequence[Sheet], language: Language = Language.FR) -> bytes:
    """The class list and one sheet per pupil, with the agreement's signature boxes. Raises `Invalid` for none or too many."""
    if not 1 <= len(wanted) <= MOST_SHEETS:
        raise Invalid(field="sheets", maximum=MOST_SHEETS)
    told = {
        **{name: str(value)[:LONGEST] for name, value in asdict(heading).items()},
        "day": heading.day.strftime("%d/%m/%Y"),
        "language": language.value,
        "words": {name: words.say(language) for name, words in SHEET.items()},
        "accessories": [ACCESSORIES[kind].say(language) for kind in AccessoryKind],
        "rules": [rule.say(language) for rule in RULES],
        "sheets": [{**asdict(sheet), "pupil": sheet.pupil[:LONGEST], "tag": sheet.tag[:24]} for sheet in wanted],
    }
    return _pdf("handover.typ", told)


def _qr(url: str) -> str:
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=2, xmldecl=False)
    return out.getvalue().decode()


@cache
def _template(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _pdf(name: str, told: dict[str, Any]) -> bytes:
    made = typst.compile(_template(name), format="pdf", sys_inputs={"told": json.dumps(told, ensure_ascii=False)})
    assert isinstance(made, bytes)
    return made
