"""Pages name their style sheets and scripts by the address that changes with the content."""

from __future__ import annotations

from pathlib import Path

from mdm.console import frame

_TEMPLATES = Path(frame.__file__).parent / "templates"


def test_no_template_spells_the_address_of_a_file() -> None:
    templates = list(_TEMPLATES.rglob("*.html"))
    assert templates
    assert [page.name for page in templates if "/console/assets/" in page.read_text("utf-8")] == []
