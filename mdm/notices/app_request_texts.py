"""The texts of mails about requests for apps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from typing import NamedTuple

from cartable.i18n import Language, Message
from mdm.notices.rules import build_message
from profiles.effective.app_requests.models import AppRequestState

_GREETING = Message("Hello {name},")
_SUBJECTS: Mapping[AppRequestState, Message] = {
    AppRequestState.ASKED: Message("{place}: the app {app} is asked for"),
    AppRequestState.APPROVED: Message("{place}: the app {app} is given to your class"),
    AppRequestState.REFUSED: Message("{place}: your request for the app {app} is refused"),
    AppRequestState.ENDED: Message("{place}: the app {app} is taken back from your class"),
}
_SENTENCES: Mapping[AppRequestState, Message] = {
    AppRequestState.ASKED: Message("The app {app} is asked for, for the class {school_class} ({school})."),
    AppRequestState.APPROVED: Message(
        "The app {app} is given to the class {school_class} ({school}). Each tablet follows at its next contact."
    ),
    AppRequestState.REFUSED: Message("The request for the app {app}, for the class {school_class} ({school}), is refused."),
    AppRequestState.ENDED: Message("The app {app} is taken back from the class {school_class} ({school})."),
}
_ANSWER = Message("Answer: {answer}")
_DECIDE = Message("Read what it is for, and give or refuse it, here:")
_READ = Message("You find all requests here:")
_WHY_DECIDE = Message(
    "You receive this because you decide on the apps of the town. Choose in your account what you are written to about."
)
_WHY_READ = Message("You receive this because you asked for this app. Choose in your account what you are written to about.")


class RequestFacts(NamedTuple):
    """What a mail says about a request. What it is for stays on the page: somebody may have written a child's name there."""

    state: AppRequestState
    app: str
    school_class: str
    school: str
    town: str
    answer: str | None


def build_request_mail(
    facts: RequestFacts, *, sender: str, recipient: str, name: str, language: Language, url: str, now: datetime
) -> EmailMessage:
    """Return the mail that asks somebody to decide on a request or, once it is decided, that gives the requester the answer."""
    is_waiting = facts.state is AppRequestState.ASKED
    lines = [
        _GREETING.translate(language, name=name), "",
        _SENTENCES[facts.state].translate(language, app=facts.app, school_class=facts.school_class, school=facts.school),
    ]  # fmt: skip
    if facts.answer and facts.state in (AppRequestState.APPROVED, AppRequestState.REFUSED):
        lines += ["", _ANSWER.translate(language, answer=facts.answer)]
    lines += [
        "", (_DECIDE if is_waiting else _READ).translate(language), "", url, "",
        (_WHY_DECIDE if is_waiting else _WHY_READ).translate(language), "",
    ]  # fmt: skip
    subject = _SUBJECTS[facts.state].translate(language, place=facts.town, app=facts.app)
    return build_message(subject, "\n".join(lines), sender, [recipient], language, now)
