"""What could cut a tablet off, as a profile of its own that removes itself: a trial, until the tablet was in contact under it. Pure.

See docs/domain/payloads.md#trials.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from profiles.render.apple import PROFILE_IDENTIFIER, ProfileContent, ProfileDocument, render_profile, select_slots

TRIAL_PART = "trial"
TRIAL_IDENTIFIER = f"{PROFILE_IDENTIFIER}.{TRIAL_PART}"
#: How long a tablet keeps a trial without confirming it. Long enough to be pushed several times, short enough for a lesson.
TRIAL_DURATION = timedelta(hours=1)
_DNS = "com.apple.dnsSettings.managed"
#: Payloads that all traffic depends on.
CUTTING_TYPES = frozenset(
    {
        "com.apple.cellular",
        "com.apple.dnsProxy.managed",
        _DNS,
        "com.apple.proxy.http.global",
        "com.apple.relay.managed",
        "com.apple.vpn.managed",
    }
)
#: Restrictions that all traffic depends on, when they are true.
CUTTING_RESTRICTIONS = frozenset({"forceWiFiToAllowedNetworksOnly", "forceWiFiWhitelisting"})


def split_cutting_content(content: ProfileContent) -> tuple[ProfileContent, ProfileContent]:
    """Return the content without what could cut the tablet off, and that part alone, with the certificates that it refers to."""

    def select(is_cutting: bool) -> ProfileContent:
        restrictions = {
            key: value
            for key, value in content.restrictions.items()
            if (key in CUTTING_RESTRICTIONS and value is True) is is_cutting
        }
        composed = {kind: payload for kind, payload in content.composed_payloads.items() if (kind in CUTTING_TYPES) is is_cutting}
        slots = [slot for slot, payload in content.planned_payloads.items() if (payload.type in CUTTING_TYPES) is is_cutting]
        return ProfileContent(restrictions, composed, (), select_slots(content.planned_payloads, slots))

    cutting = select(is_cutting=True)
    if cutting.is_empty:
        return content, cutting
    return replace(select(is_cutting=False), omitted_settings=content.omitted_settings), cutting


def compute_trial_digest(cutting: ProfileContent) -> str:
    """Return what a trial proves: two contents with the same digest cut a tablet off alike.

    Of a DNS server the host is proved, not the path: all filters of one resolver open what a tablet needs.
    """
    dns = cutting.composed_payloads.get(_DNS)
    if dns is None or "ServerURL" not in dns["DNSSettings"]:
        return cutting.digest
    host = dict(dns["DNSSettings"], ServerURL=urlsplit(dns["DNSSettings"]["ServerURL"]).netloc)
    return replace(cutting, composed_payloads={**cutting.composed_payloads, _DNS: {**dns, "DNSSettings": host}}).digest


def render_trial(town: str, cutting: ProfileContent) -> ProfileDocument:
    """Render the profile of a trial."""
    rendered = render_profile(town, cutting, TRIAL_PART, removed_after=TRIAL_DURATION)
    assert rendered is not None  # it has payloads: a trial of nothing is not made
    return rendered
