"""Numbers as pages show them: written in the reader's language. Days and instants are in `mdm.console.times`."""

from __future__ import annotations

from babel.numbers import format_decimal, format_percent

from cartable.i18n import Language


def format_share(share: float | None, language: Language, unknown: str = "–") -> str:
    """Return a share of one in percent, such as `80 %` in French and `80%` in English; `unknown` where there is none."""
    return format_percent(share, locale=language.code) if share is not None else unknown


def format_gigabytes(size: float | None, language: Language, unknown: str = "–") -> str:
    """Return a size to a tenth, with the decimal sign of the language and without the unit; `unknown` where there is none."""
    return format_decimal(round(size, 1), "#,##0.0", locale=language.code) if size is not None else unknown
