"""`cartable audit`: verifies the audit trail, exports it, shows and writes its anchors, accepts a restored database."""

from __future__ import annotations

import argparse
import json
import sys

from cartable import audit
from cartable.audit_anchors import AnchorFile, AnchorsUnreadable
from cartable.audit_verification import ChainFault
from cartable.unit_of_work import Runtime
from mdm.cli.towns import find_town
from mdm.privacy import audit_trail
from mdm.privacy.audit_jobs import write_anchors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", help="read every event and compare the chains with their counters and anchors")
    verify.add_argument("--town", metavar="SLUG", help="only the chain of this town")
    export = actions.add_parser("export", help="write events as lines of JSON")
    export.add_argument("--town", metavar="SLUG", help="of this town; without it, of no town")
    actions.add_parser("anchors", help="write an anchor now and show the newest")
    actions.add_parser("accept-restore", help="let the anchors beyond a restored database no longer count")


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Run one action. Returns the exit code: 3 when the trail is broken. Raises `NotFound`, `NothingRestored`."""
    try:
        match parsed.action:
            case "verify":
                return _verify(runtime, parsed.town)
            case "export":
                return _export(runtime, parsed.town)
            case "anchors":
                return _show_anchors(runtime)
            case _:
                return _accept_restore(runtime)
    except AnchorsUnreadable as error:
        print(f"an anchor was changed or made with another key: {error}", file=sys.stderr)
        return 3


def _verify(runtime: Runtime, slug: str | None) -> int:
    report = audit_trail.verify_all(runtime) if slug is None else audit_trail.verify_chains(runtime, _list_chains(runtime, slug))
    for fault in report.faults:
        print(_describe_fault(fault))
    if report.restore_window is not None:
        after = f"{report.restore_window.after:%Y-%m-%d %H:%M}" if report.restore_window.after else "the first anchor"
        print(
            f"All of it looks like a database restored from a backup made between {after} and "
            f"{report.restore_window.before:%Y-%m-%d %H:%M}. If you restored it: cartable audit accept-restore"
        )
    print(f"{report.chains} chains, {report.events} events, {len(report.faults) or 'no'} fault(s)")
    return 3 if report.faults else 0


def _describe_fault(fault: ChainFault) -> str:
    event = f", event {fault.event_id}" if fault.event_id is not None else ""
    anchor = (
        f"; contradicts the anchor of {fault.anchor.at:%Y-%m-%d %H:%M} ({fault.anchor.sequence} events)" if fault.anchor else ""
    )
    return f"{fault.chain}: {fault.kind.value} at {fault.sequence}{event}{anchor}"


def _export(runtime: Runtime, slug: str | None) -> int:
    for line in audit_trail.export_events(runtime, _list_chains(runtime, slug)):
        print(json.dumps(line, ensure_ascii=False, sort_keys=True))
    return 0


def _list_chains(runtime: Runtime, slug: str | None) -> list[str]:
    if slug is None:
        return audit.list_chain_keys(None)
    with runtime.open_unit_of_work() as work:
        return audit.list_chain_keys(find_town(work, slug).id)


def _show_anchors(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        write_anchors(work)
    anchor_file = AnchorFile(runtime.settings, runtime.keyring)
    newest = anchor_file.read_last()
    if newest is None:
        print("no anchor yet: nothing was recorded")
        return 0
    print(f"{anchor_file.folder}\n{newest.at:%Y-%m-%d %H:%M}  {newest.kind.value}  root {newest.root}")
    for chain, end in sorted(newest.ends.items()):
        print(f"  {chain}  {end.sequence}  {end.link}")
    return 0


def _accept_restore(runtime: Runtime) -> int:
    line = audit_trail.accept_restored_database(runtime)
    print(f"{line.at:%Y-%m-%d %H:%M}: the trail begins anew at the ends of {len(line.ends)} chains")
    return 0
