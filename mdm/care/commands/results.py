"""Applies the results of commands that people gave: the bypass code of a tablet, and the items of settings that it refused."""

from __future__ import annotations

from cartable.unit_of_work import UnitOfWork
from mdm.care.commands.repository import CommandRepository
from mdm.protocol.commands.actions import SettingsCommand
from mdm.protocol.commands.security import ActivationLockBypassCode
from mdm.protocol.connect import CommandStatus, parse_error_chain
from mdm.queue.repository import QueueRepository
from mdm.queue.results import CommandWithResult, HandlerTable

MAX_CODE = 64


def handle_bypass_code(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Store the bypass code of the tablet, sealed."""
    if outcome.succeeded and isinstance(outcome.result, str) and 0 < len(outcome.result) <= MAX_CODE:
        CommandRepository(work.session).save_bypass_code(outcome.town_id, outcome.tablet_id, outcome.result, outcome.received_at)


def handle_settings(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that the command failed when the tablet refused an item: it acknowledges the command as a whole all the same."""
    if not outcome.succeeded or not isinstance(outcome.result, list):
        return
    refused = [item for item in outcome.result if item.get("Status") not in (None, CommandStatus.ACKNOWLEDGED.value)]
    if refused:
        chain = parse_error_chain(refused[0].get("ErrorChain"))
        why = " · ".join(f"{error.code} {error.description}".strip() for error in chain[-1:])
        QueueRepository(work.session).fail_acknowledged(outcome.command_id, f"{refused[0].get('Item')}: {why}"[:200])


HANDLERS: HandlerTable = {ActivationLockBypassCode: (handle_bypass_code,), SettingsCommand: (handle_settings,)}
