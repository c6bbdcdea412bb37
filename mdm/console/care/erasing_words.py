"""The words of the page of erases in bulk."""

from __future__ import annotations

from cartable.i18n import Language, Message

_WORDS: dict[str, Message] = {
    "title": Message("Erase the returned tablets"),
    "why": Message("One person requests, another approves; the commands are sent half an hour later. Until then it can be cancelled."),
    "waiting": Message("Returned and not yet erased: {count}"),
    "none_waiting": Message("There are none to erase. They come from an open return campaign (School year), once taken back at the desk."),
    "tags": Message("Which"),
    "ticket": Message("Ticket"),
    "reason": Message("Reason, without names"),
    "password": Message("Your password, once more"),
    "ask": Message("Request the erase"),
    "list": Message("Requested erases"),
    "asked": Message("Requested"),
    "approve": Message("Approve"),
    "cancel": Message("Cancel"),
    "to_approve": Message("waits for another person"),
    "due": Message("approved: will be sent on {at}"),
    "sent": Message("sent on {at}"),
    "cancelled": Message("cancelled on {at}"),
    "done_asked": Message("Requested. Another person must approve."),
    "done_approved": Message("Approved. The commands are sent in half an hour."),
    "done_cancelled": Message("Cancelled. Nothing is sent."),
}


def words_of(language: Language) -> dict[str, str]:
    """Every word of the page in one language."""
    return {name: words.translate(language) for name, words in _WORDS.items()}
