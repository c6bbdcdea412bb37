"""The settings of the installation that decide what tablets get: one list, for whoever keeps a decision. Their meaning is in `settings`."""

from __future__ import annotations

from cartable import __version__
from cartable.settings import Settings
from profiles.render.declarations import serialize_canonical

#: A kept decision is worth nothing once one of these has another value.
DECISION_SETTINGS = (
    "always_open_hosts",
    "declarative_apps",
    "declarative_from",
    "profile_payloads",
    "public_url",
    "resolver_addresses",
    "resolver_check_host",
    "resolver_url",
)


def describe_decision_settings(settings: Settings) -> str:
    """Return the release and the values of these settings. While the text is the same, equal tablets get equal decisions."""
    values = {name: getattr(settings, name) for name in DECISION_SETTINGS}
    return serialize_canonical([__version__, values]).decode()
