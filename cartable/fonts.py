"""Fonts for names in any script: where they are, and which names no font of this machine can show."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from importlib.metadata import entry_points
from typing import Final

import typst

#: The entry point group of fonts that are Python packages (`fontpkg-noto-sans-tamil`…). System fonts are found without it.
FONT_ENTRY_POINT_GROUP = "fontpkg.family"
#: Archivable PDF: with it, a missing glyph is an error instead of an empty box.
PDF_STANDARD: Final = "a-2b"
_PROBE_DOCUMENT = b'#set page(width: 60cm, height: auto)\n#json(bytes(sys.inputs.at("texts"))).join(linebreak())'


@cache
def load_fonts() -> typst.Fonts:
    """Return the fonts of this machine, searched for once: the system's, those of font packages, those inside typst."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True, font_paths=list_packaged_font_folders())


def list_packaged_font_folders() -> list[str]:
    """Return the folders of fonts that are installed as Python packages, which are on every machine."""
    return [
        str(entry_point.dist.locate_file(entry_point.module.replace(".", "/")))
        for entry_point in entry_points(group=FONT_ENTRY_POINT_GROUP)
        if entry_point.dist is not None
    ]


def find_unshowable_texts(texts: Collection[str]) -> set[str]:
    """Return those of `texts` for which a glyph is missing on this machine."""
    non_ascii_texts = {text for text in texts if not text.isascii()}
    if not non_ascii_texts or _can_show(non_ascii_texts):
        return set()
    return {text for text in non_ascii_texts if not _can_show({text})}


def _can_show(texts: Collection[str]) -> bool:
    try:
        typst.compile(
            _PROBE_DOCUMENT, format="pdf", pdf_standards=PDF_STANDARD, font_paths=load_fonts(),
            sys_inputs={"texts": json.dumps(sorted(texts), ensure_ascii=False)},
        )  # fmt: skip
    except typst.TypstError as error:
        if "could not be displayed" in str(error):
            return False
        raise
    return True
