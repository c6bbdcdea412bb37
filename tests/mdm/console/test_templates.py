"""What holds for the text of every template: patterns that browsers understand, colons that follow the language."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = sorted((Path(__file__).parents[3] / "mdm/console/templates").rglob("*.html"))


def test_patterns_of_fields_escape_what_browsers_ask_for() -> None:
    """Browsers compile them with the flag `v`, and ignore a pattern in which a slash or a hyphen of a class is not escaped."""
    classes = [
        (path.name, characters)
        for path in TEMPLATES
        for pattern in re.findall(r'pattern="([^"]+)"', path.read_text("utf-8"))
        for characters in re.findall(r"\[((?:\\.|[^\]\\])*)\]", pattern)
    ]
    assert classes
    without_ranges = [(name, re.sub(r"\\.|\w-\w", "", characters)) for name, characters in classes]
    assert [each for each in without_ranges if re.search(r"[/\-()\[{}|]", each[1])] == []


def test_a_colon_between_two_texts_comes_from_the_catalogue() -> None:
    """French has a space before it, English has none."""
    texts = [(path.name, line) for path in TEMPLATES for line in path.read_text("utf-8").splitlines()]
    assert [each for each in texts if re.search(r"\}\}(</\w+>)? ?: ?(\{|<)", each[1])] == []
