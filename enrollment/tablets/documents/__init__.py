"""Papers of the desk as PDF: labels, sheets of a class's handover, return slips, a delivery's list. Plain values in, bytes out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import segno
import typst

from cartable import fonts
from cartable.errors import Invalid
from cartable.i18n import DEFAULT_LANGUAGE, Language
from enrollment.tablets.documents.words import RULES, SHEET
from enrollment.tablets.models import AccessoryKind
from enrollment.tablets.words import ACCESSORIES

_HERE = Path(__file__).parent
_LONG = re.compile(r"(\S{24})(?=\S)")
MOST_LABELS, MOST_SHEETS, MOST_LINES, LONGEST = 504, 60, 5000, 120


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a tablet. There is no place for a child's name (schools.md section 3.3)."""

    tag: str
    serial: str
    url: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One pupil at the table. `code`: what a scanner reads from the sheet to choose the pupil; never a name."""

    pupil: str
    tag: str
    take_home: bool
    agreed: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One tablet of a delivery, in the words of the paper."""

    tag: str
    serial: str
    state: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Where and when."""

    town: str
    phone: str
    school: str
    class_label: str
    day: date


def labels(town: str, phone: str, wanted: Sequence[Label], day: date) -> bytes:
    """Sheets of 24 labels with QR code and tag. Raises `Invalid` for none or too many."""
    if not 1 <= len(wanted) <= MOST_LABELS:
        raise Invalid(field="labels", maximum=MOST_LABELS)
    blank = fonts.find_unshowable_texts({town[:LONGEST]})
    shown = [{"tag": label.tag[:24], "serial": label.serial[:64], "qr": _qr(label.url)} for label in wanted]
    return _pdf("labels.typ", {"town": "" if blank else town[:LONGEST], "phone": phone[:40], "labels": shown}, day)


def handover_sheets(heading: Heading, wanted: Sequence[Sheet], language: Language = DEFAULT_LANGUAGE) -> bytes:
    """The class list and one sheet per pupil, with the agreement's signature boxes. Raises `Invalid` for none or too many.

    A name that no font of this machine can show leaves a line to write it on; the sheet's mark and tag tell whose it is.
    """
    return _pdf("handover.typ", _sheets(heading, wanted, language), heading.day)


def return_slips(heading: Heading, wanted: Sequence[Sheet], language: Language = DEFAULT_LANGUAGE) -> bytes:
    """Two slips a page, for each pupil who gives a tablet back: tag, checklist, signatures. Raises as `handover_sheets` does."""
    return _pdf("return.typ", _sheets(heading, wanted, language), heading.day)


def delivery_list(town: str, reference: str, wanted: Sequence[Line], day: date, language: Language = DEFAULT_LANGUAGE) -> bytes:
    """The tablets of an order with a box to tick each. Raises `Invalid` for none or too many."""
    if not 1 <= len(wanted) <= MOST_LINES:
        raise Invalid(field="lines", maximum=MOST_LINES)
    told = _words(language) | {
        "town": town[:LONGEST], "reference": reference[:60],
        "lines": [{"tag": line.tag[:24], "serial": line.serial[:64], "state": line.state[:40]} for line in wanted],
    }  # fmt: skip
    return _pdf("delivery.typ", told, day)


def _sheets(heading: Heading, wanted: Sequence[Sheet], language: Language) -> dict[str, Any]:
    if not 1 <= len(wanted) <= MOST_SHEETS:
        raise Invalid(field="sheets", maximum=MOST_SHEETS)
    head = {name: str(value)[:LONGEST] for name, value in asdict(heading).items()}
    head["day"] = heading.day.strftime("%d/%m/%Y")
    blank = fonts.find_unshowable_texts({*head.values(), *(sheet.pupil[:LONGEST] for sheet in wanted)})
    return _words(language) | {
        **{name: "" if text in blank else text for name, text in head.items()},
        "accessories": [ACCESSORIES[kind].translate(language) for kind in AccessoryKind],
        "rules": [rule.translate(language) for rule in RULES],
        "sheets": [
            {
                "pupil": None if sheet.pupil[:LONGEST] in blank else _breakable(sheet.pupil[:LONGEST]), "tag": sheet.tag[:24],
                "take_home": sheet.take_home, "agreed": sheet.agreed, "mark": sheet.code[-2:],
                "qr": _qr(sheet.code) if sheet.code else None,
            }
            for sheet in wanted
        ],
    }  # fmt: skip


def _breakable(name: str) -> str:
    """A very long word may break: it would run over the next column."""
    return _LONG.sub("\\1\u200b", name)


def _words(language: Language) -> dict[str, Any]:
    return {"language": language.code, "words": {name: words.translate(language) for name, words in SHEET.items()}}


def _qr(url: str) -> str:
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=2, xmldecl=False)
    return out.getvalue().decode()


@cache
def _template(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _pdf(name: str, told: dict[str, Any], day: date) -> bytes:
    """The same data on the same day make the same bytes."""
    made = typst.compile(
        _template(name), format="pdf", pdf_standards=fonts.STANDARD, font_paths=fonts.load_fonts(),
        sys_inputs={"told": json.dumps(told, ensure_ascii=False)}, timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
    )  # fmt: skip
    assert isinstance(made, bytes)
    return made
