"""What guardians, children and staff are told of their data, made of the dictionary and of the town's own periods, so that it says what
the code does (PRIV-10). A change makes a new version and a list of whom to tell. Never commits.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.i18n import Language, Message, available_languages
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy import dictionary
from mdm.privacy.errors import NoticeUnchanged
from mdm.privacy.models import NoticeAudience, PrivacyNotice
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.rules import chosen

_OF = {NoticeAudience.GUARDIANS: ("pupil", "guardian"), NoticeAudience.CHILDREN: ("pupil",), NoticeAudience.STAFF: ("staff",)}
_FOR_CHILDREN = Message("The town lends you a tablet. It keeps your name, your class and the number of the tablet. It does not look at what you write, at your pictures or at where you are. When you give the tablet back your name is erased. You may ask your teacher or your parents anything. If somebody bothers you online, call 3018.")
_RIGHTS = Message("You may ask to see, correct or erase these data, or object: write to the town's data protection officer; the answer comes within a month. You may turn to the supervisory authority.")


def compose(work: UnitOfWork, town_id: UUID, audience: NoticeAudience) -> dict[str, Any]:
    """The notice as it would be now, in both languages."""
    days = chosen({rule: row.days for rule, row in PrivacyRepository(work.session).choices(town_id).items()})
    return {language.code: _text(audience, days, language) for language in available_languages()}


def _text(audience: NoticeAudience, days: dict[str, int], language: Language) -> dict[str, Any]:
    lines = []
    for each in dictionary.entries():
        if each.of in _OF[audience] and each.table in {"pupil", "guardian", "loan", "lost_case", "position_request", "staff_member",
                                                       "teacher_assignment", "account", "pupil_group_member"}:  # fmt: skip
            lines.append(
                {
                    "what": each.words.translate(language),
                    "why": each.purpose.translate(language),
                    "ground": each.ground.translate(language),
                    "days": days.get(each.retention) if each.retention else None,
                    "until": each.until.translate(language) if each.until else None,
                    "recipients": list(each.recipients),
                }
            )
    plain = _FOR_CHILDREN.translate(language) if audience is NoticeAudience.CHILDREN else _RIGHTS.translate(language)
    return {"words": plain, "lines": lines}


def digest(content: dict[str, Any]) -> str:
    """By what two versions differ."""
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def current(
    work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience
) -> tuple[PrivacyNotice | None, dict[str, Any]]:
    """The last version that was given out, and the notice as it would be now. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).notice(town_id, audience), compose(work, town_id, audience)


def publish(work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience) -> PrivacyNotice:
    """Give out a new version. Raises `Forbidden`, `NoticeUnchanged` when nothing has changed."""
    actor.require_permission(Permission.PRIVACY, town_id)
    locks.lock_town(work, town_id)
    last, content = current(work, actor, town_id, audience)
    if last is not None and last.content_sha256 == digest(content):
        raise NoticeUnchanged
    row = PrivacyNotice(
        town_id=town_id, audience=audience, version=last.version + 1 if last else 1, content_sha256=digest(content), content=content,
        published_by=actor.account_id, published_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    audit.record_event(
        work, actor, "privacy.notice", "privacy_notice", row.id, town_id=town_id, audience=audience.value, version=row.version
    )
    return row


def to_notify(work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience) -> list[UUID]:
    """Whom a new version concerns: guardians of pupils who are here, the pupils themselves, or staff, by id. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).concerned(town_id, audience)
