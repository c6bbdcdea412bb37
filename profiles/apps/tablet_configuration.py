"""What one tablet gives to an app: the managed configuration of the app, with the variables of the tablet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enrollment.facts import TabletFacts
from profiles.apps.configuration import (
    ConfigurationEntry,
    Variable,
    build_configuration,
    check_entries,
    compute_entries_digest,
    load_entries,
)
from profiles.apps.models import App


def build_tablet_configuration(app: App, tablet: TabletFacts) -> dict[str, Any]:
    """Return what a tablet gives to an app; empty without a configuration."""
    return build_configuration(load_entries(app.configuration), _list_variables(tablet)) if app.configuration else {}


def preview_configuration(entries: Sequence[ConfigurationEntry], tablet: TabletFacts) -> dict[str, Any]:
    """Return what a tablet would give to an app with these entries. Raises `BadConfiguration`."""
    return build_configuration(check_entries(entries), _list_variables(tablet))


def get_values_location(app: App) -> str | None:
    """Return where tablets fetch the configuration of an app: its id and the digest of its entries; None without a configuration."""
    return f"{app.id}/{compute_entries_digest(app.configuration)}" if app.configuration else None


def _list_variables(tablet: TabletFacts) -> dict[Variable, str]:
    grade = tablet.grade.value if tablet.grade else ""
    return {Variable.TAG: tablet.tag, Variable.SERIAL: tablet.serial, Variable.GRADE: grade}
