"""The words of notices for people: what an account may be written to about."""

from __future__ import annotations

from cartable.i18n import Message
from mdm.notices.models import NoticeLevel

NOTICE_LEVELS: dict[NoticeLevel, Message] = {
    NoticeLevel.ALL: Message("everything that concerns me"),
    NoticeLevel.CRITICAL: Message("what must be looked at now"),
    NoticeLevel.NONE: Message("nothing"),
}
