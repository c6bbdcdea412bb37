"""The modules of this chapter that have routes, in the order in which they are tried."""

from __future__ import annotations

from mdm.console.filters import blocked_counts, check, lists, releases, web_filter

MODULES = (check, lists, releases, web_filter, blocked_counts)
