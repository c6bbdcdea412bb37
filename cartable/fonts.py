"""Fonts for names in any script: where they are found, and which names no font of this machine can show."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from importlib.metadata import entry_points
from typing import Final

import typst

#: Fonts that come as Python packages (`fontpkg-noto-sans-tamil`…) announce themselves here; system fonts are found anyway.
FONT_ENTRY_POINT_GROUP = "fontpkg.family"
#: Archivable PDF: a glyph that is missing is an error instead of an empty box.
PDF_STANDARD: Final = "a-2b"
_PROBE_DOCUMENT = b'#set page(width: 60cm, height: auto)\n#json(bytes(sys.inputs.at("told"))).join(linebreak())'


@cache
def load_fonts() -> typst.Fonts:
    """The fonts of this machine, looked for once: the system's, those of font packages, and the few inside typst."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True, font_paths=list_packaged_font_folders())


def list_packaged_font_folders() -> list[str]:
    """The folders of the fonts that come with the program, as Python packages: they are there on every machine."""
    return [
        str(found.dist.locate_file(found.module.replace(".", "/")))
        for found in entry_points(group=FONT_ENTRY_POINT_GROUP)
        if found.dist is not None
    ]


def find_unshowable_texts(texts: Collection[str]) -> set[str]:
    """Those of `texts` for which a glyph is missing on this machine."""
    wanted = {text for text in texts if not text.isascii()}
    if not wanted or _can_show(wanted):
        return set()
    return {text for text in wanted if not _can_show({text})}


def _can_show(texts: Collection[str]) -> bool:
    try:
        typst.compile(
            _PROBE_DOCUMENT, format="pdf", pdf_standards=PDF_STANDARD, font_paths=load_fonts(),
            sys_inputs={"told": json.dumps(sorted(texts), ensure_ascii=False)},
        )  # fmt: skip
    except typst.TypstError as error:
        if "could not be displayed" in str(error):
            return False
        raise
    return True
