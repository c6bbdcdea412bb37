"""What the walk over every page takes for a text that is not translated."""

from __future__ import annotations

import pytest

from tests.browser.walk.texts import find_untranslated
from tests.browser.walk.world import MARK


@pytest.mark.parametrize(
    ("french", "english", "untranslated"),
    [
        ("<p>Perdue</p>", "<p>Lost</p>", set()),
        ("<p>Lost</p>", "<p>Lost</p>", {"Lost"}),
        ('<a aria-label="Close">×</a>', '<a aria-label="Close">×</a>', {"Close"}),
        ("<a>← Cartable</a>", "<a>← Cartable</a>", set()),
        ("<a>← Apple School Manager</a><b>← Back</b>", "<a>← Apple School Manager</a><b>← Back</b>", {"← Back"}),
        (f"<p>Zoé {MARK}</p>", f"<p>Zoé {MARK}</p>", set()),
        ("<p>VAL-00012 26/11/2026 fr.test.app 3/4</p>", "<p>VAL-00012 26/11/2026 fr.test.app 3/4</p>", set()),
        ("<code>tablet.erase</code><b>Erase</b>", "<code>tablet.erase</code><b>Erase</b>", {"Erase"}),
        ('<p translate="no">admin<br>x</p><p>Save</p>', '<p translate="no">admin<br>x</p><p>Save</p>', {"Save"}),
    ],
)
def test_a_text_that_is_the_same_in_both_languages_is_found(french: str, english: str, untranslated: set[str]) -> None:
    assert find_untranslated(french, english) == untranslated
