"""Messages of the desk that are chosen while it runs: its pages, what its scripts show, outcomes, and advice for each error."""

from __future__ import annotations

from cartable.i18n import Language, Message

#: The pages of the desk with their names and what to do there.
PAGES: dict[str, tuple[Message, Message]] = {
    "bench": (Message("Prepare"), Message("Scan the serial number: the tablet is prepared.")),
    "swap": (Message("Swap"), Message("Two children have exchanged their tablets and keep them: scan both.")),
    "breakage": (Message("Breakage"), Message("Scan the broken tablet, then the loaner. The child leaves with it.")),
    "return": (Message("Take back"), Message("Untick what is missing, then scan the tablet.")),
    "store": (Message("Put away"), Message("Into storage for the summer, or into stock: scan what nobody holds.")),
}
AGREEMENTS: dict[str, Message] = {
    "signed": Message("signed"),
    "pending": Message("to be signed"),
    "stays": Message("stays at school"),
}
#: What the scripts of the desk show. They hold no texts of their own.
SCRIPT: dict[str, Message] = {
    "sending": Message("Sending…"),
    "waiting": Message("Waiting ({count}): kept in this browser, sent as soon as possible."),
    "kept": Message("No network: kept, to be sent."),
    "sign_in_again": Message("Your sign-in has ended. The scans are kept: sign in again and they will be sent."),
    "sign_in": Message("Sign in again in a new tab"),
    "other_person": Message("Another person is signed in: these scans wait until you are back."),
    "others": Message("Scans of another person wait in this browser ({count}); they must sign in here again."),
    "not_kept": Message("This browser keeps nothing: do not close this page before it is sent."),
    "again": Message("Send again"),
    "forget": Message("Forget"),
    "too_old": Message("Too old to be sent again safely: do it again."),
    "fault": Message("The server cannot process it: set aside; inform the operator."),
    "not_a_scan": Message("This is neither a tag nor a serial number."),
    "layout": Message("The scanner speaks another keyboard than the computer: see the guide, “The scanner”."),
    "nobody": Message("No child of the list matches."),
    "several": Message("Several children match: be more specific."),
    "chosen": Message("{name}: scan the tablet."),
    "choose_first": Message("Choose the child first."),
    "answer_first": Message("{tag} is not handed over: answer about the agreement first."),
    "everybody": Message("Everybody has been served."),
    "waiting_row": Message("waiting to be sent"),
    "refused_row": Message("refused, to be decided"),
    "handed": Message("handed over"),
    "progress": Message("{done} of {all}"),
    "signed": Message("signed"),
    "stays": Message("stays at school"),
    "act_bench": Message("Prepare"),
    "act_handover": Message("Hand over"),
    "act_swap": Message("Swap"),
    "act_return": Message("Take back"),
    "act_store": Message("Put away"),
    "act_breakage": Message("Breakage"),
    "returned": Message("given back"),
    "not_yet": Message("not yet"),
    "planned": Message("to hand over"),
}  # fmt: skip
#: What was done, by the operation that the answer names.
DONE: dict[str, Message] = {
    "bench": Message("{tag} ready"),
    "bench_again": Message("{tag} was ready already"),
    "bench_wipe": Message("{tag} prepared, but not ready: erase it first"),
    "hand_over": Message("{tag} handed over"),
    "swap": Message("{tag} and {other} swapped"),
    "return": Message("{tag} given back"),
    "return_lost": Message("{tag} given back, without: {lost}"),
    "store": Message("{tag}: {other}"),
    "breakage": Message("{tag} reported as broken"),
    "breakage_loaner": Message("{tag} broken, {other} lent"),
}
#: What a person does next with a tablet that holds the data of its last holder.
ERASE_FIRST = Message(
    "It holds the data of the child who had it last. Erase it on its page, under “Life of the tablet”, or by hand and note it there."
)
#: What to do about an error, by its code.
ADVICE: dict[str, Message] = {
    "serial_not_ordered": Message("Set it aside: the order was not entered, or it is from elsewhere."),
    "unknown_scan": Message("Scan the label or the back of the tablet, not the box of an accessory."),
    "other_town": Message("Set it aside, and change town to handle it."),
    "tag_taken": Message("Take the next label; look for this one in today's list."),
    "tablet_wrong_state": Message("Open its page: it must first be given back, found or repaired."),
    "tablet_not_free": Message("Take another tablet; this one is with somebody or not ready yet."),
    "pupil_has_tablet": Message("Take the other tablet back first, or swap."),
    "agreement_missing": Message("Have the sheet signed, or say that the tablet stays at school."),
    "no_open_loan": Message("It is lent to nobody: store it or prepare it."),
    "evidence_hold": Message("Do not touch it, and tell the town."),
    "request_id_reused": Message("Load the page again and repeat this scan."),
    "no_open_incident": Message("Report the breakage first."),
    "invalid": Message("Check what was scanned."),
    "forbidden": Message("This school or town is not in your mission of today."),
    "not_found": Message("Load the page again: the pupil or class has changed."),
    "stale_page": Message("Load the page again."),
    "serial_known": Message("One of these numbers is entered already, here or elsewhere; nothing was saved."),
}  # fmt: skip


def translate_script(language: Language) -> dict[str, str]:
    """Return the texts of the scripts in one language, by name."""
    return {name: message.translate(language) for name, message in SCRIPT.items()}
