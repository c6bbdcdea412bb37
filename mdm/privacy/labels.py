"""Labels of data protection: kinds and outcomes of requests, ways to read a record, audiences, reports."""

from __future__ import annotations

from cartable.i18n import Message
from enrollment.people.models import AccessKind
from mdm.privacy.models import NoticeAudience, ReportKind, RequestKind, RequestOutcome

REQUESTS: dict[RequestKind, Message] = {
    RequestKind.ACCESS: Message("to see the data", context="privacy request"),
    RequestKind.RECTIFICATION: Message("to correct the data", context="privacy request"),
    RequestKind.ERASURE: Message("to erase the data", context="privacy request"),
    RequestKind.RESTRICTION: Message("to restrict the use", context="privacy request"),
    RequestKind.OBJECTION: Message("to object to the use", context="privacy request"),
    RequestKind.INFORMATION: Message("a question", context="privacy request"),
}
OUTCOMES: dict[RequestOutcome, Message] = {
    RequestOutcome.DONE: Message("done", context="privacy request"),
    RequestOutcome.PARTLY: Message("partly done", context="privacy request"),
    RequestOutcome.REFUSED: Message("refused", context="privacy request"),
}
ACCESSES: dict[AccessKind, Message] = {
    AccessKind.CLASS_LIST: Message("in a list of a class", context="access"),
    AccessKind.SEARCH: Message("in a search", context="access"),
    AccessKind.TABLET: Message("beside the tablet", context="access"),
    AccessKind.ROSTER: Message("with the whole school", context="access"),
    AccessKind.RECORD: Message("the page of the child", context="access"),
    AccessKind.EXPORT: Message("taken out as a file", context="access"),
}
AUDIENCES: dict[NoticeAudience, Message] = {
    NoticeAudience.GUARDIANS: Message("to guardians"),
    NoticeAudience.CHILDREN: Message("to children"),
    NoticeAudience.STAFF: Message("to staff"),
}
REPORTS: dict[ReportKind, Message] = {
    ReportKind.RETENTION: Message("purge", context="privacy report"),
    ReportKind.ERASURE: Message("a child's data erased", context="privacy report"),
    ReportKind.EXPORT: Message("a child's data taken out", context="privacy report"),
    ReportKind.BREACH: Message("breach", context="privacy report"),
}
