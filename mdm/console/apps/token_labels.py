"""Labels of the page of licences: what is wrong with a content token, and what a person can do."""

from __future__ import annotations

from cartable.i18n import Message
from profiles.apps.models import TokenProblem

TOKEN_PROBLEMS: dict[TokenProblem, Message] = {
    TokenProblem.CLAIMED_ELSEWHERE: Message("Another MDM server has used this account last: Cartable writes nothing to it."),
    TokenProblem.OTHER_ACCOUNT: Message(
        "The renewed token is for another account ({detail}). Renew with one of the same account, or remove this token and add the other."
    ),
    TokenProblem.DUPLICATE_ACCOUNT: Message("Another token of the town is for the same account ({detail}): remove one of them."),
    TokenProblem.REFUSED: Message(
        "Apple refuses this token ({detail}): download a new one in Apple School Manager and renew it here."
    ),
    TokenProblem.UNAVAILABLE: Message(
        "Apple's service does not answer ({detail}). It is tried again; nothing changes on tablets."
    ),
    TokenProblem.FAILED: Message("Apple has refused a request ({detail}). It is tried again within six hours."),
}
