"""Checks of the town's DNS resolver: its programs on this machine, and whether one answers anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from mdm.cli.doctor.diagnosis import Diagnosis, failed, good, warning
from mdm.resolver.engine import ResolverUnavailable, find_program
from mdm.resolver.service import ResolverStatus, is_answering, load_resolver_state
from profiles.filters.rsync_mirror import find_rsync, is_rsync

_GUIDE = "See docs/operator/resolver.en.md."


def check_resolver(work: UnitOfWork) -> Iterator[Diagnosis]:
    """Yield whether the configured resolver answers and is complete. Without one there is nothing to check."""
    state = load_resolver_state(work)
    if state.status is ResolverStatus.NONE:
        yield good("resolver", "none is configured: tablets have the built-in filter alone")
        return
    if not work.settings.resolver_addresses:
        yield warning(
            "resolver",
            "CARTABLE_RESOLVER_ADDRESSES is empty: a tablet must ask another resolver first to find it",
            "Set the IP addresses of the resolver, separated by commas.",
        )
    if state.status is ResolverStatus.AWAY:
        problems = "; ".join(process.problem for process in state.processes if process.problem) or "none runs"
        yield failed("resolver", f"no resolver answers: {problems}", f"{_describe_missing()}{_GUIDE}")
        return
    if state.status is ResolverStatus.INCOMPLETE:
        yield warning("resolver", "it does not know every list yet", "Lists of millions of hosts take a minute; ask again.")
        return
    answering = [process for process in state.processes if is_answering(process, work.now)]
    yield good("resolver", f"{len(answering)} answering, {max(process.address_count for process in answering)} filters")


def check_mirror(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether the mirror of filter lists can be asked from this machine."""
    urls = [url for url in (settings.filter_lists_url, settings.filter_lists_checksum_url) if url]
    if any(map(is_rsync, urls)) and find_rsync() is None:
        yield failed(
            "filter lists",
            "the mirror speaks rsync, which is not installed",
            "apt-get install rsync, on the machines of the workers.",
        )
    elif urls:
        yield good("filter lists", f"from {settings.filter_lists_url}")


def _describe_missing() -> str:
    """Return a sentence for each program that is missing on this machine, where the resolver may be meant to run."""
    missing = []
    for name in ("dnsdist", "unbound"):
        try:
            find_program(name)
        except ResolverUnavailable:
            missing.append(name)
    if not missing:
        return "Start `cartable resolver`. "
    hint = "apt-get install " if shutil.which("apt-get") else "install "
    return f"On the machine of the resolver: {hint}{' '.join(missing)}, then `cartable resolver`. "
