"""The table of result handlers: which packages learn of the result of which command."""

from __future__ import annotations

from collections.abc import Sequence

from cartable.unit_of_work import UnitOfWork
from mdm.care.commands import results as command_results
from mdm.care.lost_mode import results as lost_mode_results
from mdm.queue.results import dispatch_results, merge_tables
from mdm.reconcile import results as reconcile_results

HANDLERS = merge_tables((reconcile_results.HANDLERS, lost_mode_results.HANDLERS, command_results.HANDLERS))


def apply_results(work: UnitOfWork, command_ids: Sequence[int]) -> None:
    """Apply the stored results of commands to what is known of their tablets."""
    dispatch_results(work, command_ids, HANDLERS)
