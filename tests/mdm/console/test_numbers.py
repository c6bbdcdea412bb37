"""Numbers of pages: each language has its own signs."""

from __future__ import annotations

from cartable.i18n import ENGLISH, FRENCH
from mdm.console.numbers import format_gigabytes, format_share


def test_a_share_and_a_size_are_written_as_the_language_does() -> None:
    assert (format_share(0.8, ENGLISH), format_share(0.8, FRENCH)) == ("80%", "80\N{NO-BREAK SPACE}%")
    assert (format_gigabytes(153.62, ENGLISH), format_gigabytes(153.62, FRENCH)) == ("153.6", "153,6")


def test_what_is_not_known_is_a_dash_or_what_the_page_wants() -> None:
    assert (format_share(None, FRENCH), format_share(None, FRENCH, unknown="")) == ("–", "")
    assert (format_gigabytes(None, FRENCH), format_gigabytes(None, FRENCH, unknown="")) == ("–", "")
