"""How a tablet handles declarations: when it fetches them, whether it can apply them, how it reports. The base is a well-behaved tablet."""

from __future__ import annotations

from typing import Any

DeclarationRows = dict[str, list[dict[str, Any]]]


class DeclarativeHabits:
    """A well-behaved tablet. Behaviours override what they change."""

    async def wait_before_fetches(self) -> None:
        """Called between the manifest and the fetches of the declarations that it names."""

    def refuse_configuration(self, document: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reason why the tablet cannot apply a configuration; None when it can."""
        return None

    def alter_rows(self, rows: DeclarationRows) -> DeclarationRows:
        """Return the rows of `management.declarations` as the tablet reports them."""
        return rows

    def split_report(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the status reports in which the tablet sends one report."""
        return [body]
