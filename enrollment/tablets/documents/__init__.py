"""PDF layout of labels, handover sheets, return slips and delivery lists. Plain values in, bytes out; reads no database."""

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
from enrollment.tablets.documents.texts import RULES, SHEET
from enrollment.tablets.labels import ACCESSORIES
from enrollment.tablets.models import AccessoryKind

_HERE = Path(__file__).parent
_LONG_WORD = re.compile(r"(\S{24})(?=\S)")
MAX_LABELS, MAX_SHEETS, MAX_LINES, MAX_TEXT_LENGTH = 504, 60, 5000, 120


@dataclass(frozen=True, slots=True)
class Label:
    """The label on a tablet. It has no field for a child's name."""

    tag: str
    serial: str
    url: str


@dataclass(frozen=True, slots=True)
class PupilSheet:
    """One pupil's sheet. `code`: the content of its QR code, by which a scanner selects the pupil; never a name."""

    pupil: str
    tag: str
    take_home: bool
    agreement_signed: bool
    code: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One tablet of a delivery; `state` is already translated."""

    tag: str
    serial: str
    state: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands at the top of every page: town, school, class, day."""

    town: str
    phone: str
    school: str
    class_label: str
    day: date


def render_labels(town: str, phone: str, labels: Sequence[Label], day: date) -> bytes:
    """Return sheets of 24 labels with QR code and tag. Raises `Invalid` for none or too many."""
    if not 1 <= len(labels) <= MAX_LABELS:
        raise Invalid(field="labels", maximum=MAX_LABELS)
    blank = fonts.find_unshowable_texts({town[:MAX_TEXT_LENGTH]})
    label_data = [{"tag": label.tag[:24], "serial": label.serial[:64], "qr": _render_qr(label.url)} for label in labels]
    return _render_pdf(
        "labels.typ", {"town": "" if blank else town[:MAX_TEXT_LENGTH], "phone": phone[:40], "labels": label_data}, day
    )


def render_handover_sheets(heading: Heading, sheets: Sequence[PupilSheet], language: Language = DEFAULT_LANGUAGE) -> bytes:
    """Return the class list and one sheet per pupil, with boxes to sign the agreement. Raises `Invalid` for none or too many.

    Instead of a name that no installed font can show there is a line to write it on.
    """
    return _render_pdf("handover.typ", _build_sheet_data(heading, sheets, language), heading.day)


def render_return_slips(heading: Heading, sheets: Sequence[PupilSheet], language: Language = DEFAULT_LANGUAGE) -> bytes:
    """Return one return slip per pupil, two a page: tag, checklist, signatures. Raises `Invalid` for none or too many."""
    return _render_pdf("return.typ", _build_sheet_data(heading, sheets, language), heading.day)


def render_delivery_list(
    town: str, reference: str, lines: Sequence[DeliveryLine], day: date, language: Language = DEFAULT_LANGUAGE
) -> bytes:
    """Return the tablets of a purchase order with a box to tick each. Raises `Invalid` for none or too many."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise Invalid(field="lines", maximum=MAX_LINES)
    data = _build_text_data(language) | {
        "town": town[:MAX_TEXT_LENGTH], "reference": reference[:60],
        "lines": [{"tag": line.tag[:24], "serial": line.serial[:64], "state": line.state[:40]} for line in lines],
    }  # fmt: skip
    return _render_pdf("delivery.typ", data, day)


def _build_sheet_data(heading: Heading, sheets: Sequence[PupilSheet], language: Language) -> dict[str, Any]:
    if not 1 <= len(sheets) <= MAX_SHEETS:
        raise Invalid(field="sheets", maximum=MAX_SHEETS)
    head = {name: str(value)[:MAX_TEXT_LENGTH] for name, value in asdict(heading).items()}
    head["day"] = heading.day.strftime("%d/%m/%Y")
    blank = fonts.find_unshowable_texts({*head.values(), *(sheet.pupil[:MAX_TEXT_LENGTH] for sheet in sheets)})
    return _build_text_data(language) | {
        **{name: "" if text in blank else text for name, text in head.items()},
        "accessories": [ACCESSORIES[kind].translate(language) for kind in AccessoryKind],
        "rules": [rule.translate(language) for rule in RULES],
        "sheets": [
            {
                "pupil": None if sheet.pupil[:MAX_TEXT_LENGTH] in blank else _allow_line_breaks(sheet.pupil[:MAX_TEXT_LENGTH]), "tag": sheet.tag[:24],
                "take_home": sheet.take_home, "agreed": sheet.agreement_signed, "mark": sheet.code[-2:],
                "qr": _render_qr(sheet.code) if sheet.code else None,
            }
            for sheet in sheets
        ],
    }  # fmt: skip


def _allow_line_breaks(name: str) -> str:
    """Insert a break point into very long words, which would run over the next column."""
    return _LONG_WORD.sub("\\1\u200b", name)


def _build_text_data(language: Language) -> dict[str, Any]:
    return {"language": language.code, "words": {name: words.translate(language) for name, words in SHEET.items()}}


def _render_qr(url: str) -> str:
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=2, xmldecl=False)
    return out.getvalue().decode()


@cache
def _read_template(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _render_pdf(name: str, data: dict[str, Any], day: date) -> bytes:
    """Compile a Typst template with `data`. The same data on the same day give the same bytes."""
    pdf = typst.compile(
        _read_template(name), format="pdf", pdf_standards=fonts.PDF_STANDARD, font_paths=fonts.load_fonts(),
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)}, timestamp=datetime(day.year, day.month, day.day, tzinfo=UTC),
    )  # fmt: skip
    assert isinstance(pdf, bytes)
    return pdf
