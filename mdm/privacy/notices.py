"""Privacy notices for guardians, children and staff, composed from the dictionary and the town's own periods (PRIV-10). Never commits."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.i18n import Language, Message, list_available_languages
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy import dictionary
from mdm.privacy.errors import NoticeUnchanged
from mdm.privacy.models import NoticeAudience, PrivacyNotice
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.retention_repository import RetentionRepository
from mdm.privacy.rules import resolve_days

_SUBJECTS_BY_AUDIENCE = {
    NoticeAudience.GUARDIANS: ("pupil", "guardian"),
    NoticeAudience.CHILDREN: ("pupil",),
    NoticeAudience.STAFF: ("staff",),
}
_FOR_CHILDREN = Message(
    "The town lends you a tablet. It keeps your name, your class and the number of the tablet. It does not look at what you write, at your pictures or at where you are. When you give the tablet back your name is erased. You may ask your teacher or your parents anything. If somebody bothers you online, call 3018."
)
_RIGHTS = Message(
    "You may ask to see, correct or erase these data, or object: write to the town's data protection officer; the answer comes within a month. You may turn to the supervisory authority."
)


def compose_notice(work: UnitOfWork, town_id: UUID, audience: NoticeAudience) -> dict[str, Any]:
    """Return the notice as it would be now, by language code."""
    days = resolve_days({rule: row.days for rule, row in RetentionRepository(work.session).load_overrides(town_id).items()})
    return {language.code: _compose_text(audience, days, language) for language in list_available_languages()}


def _compose_text(audience: NoticeAudience, days: dict[str, int], language: Language) -> dict[str, Any]:
    lines = []
    for entry in dictionary.list_entries():
        if entry.subject in _SUBJECTS_BY_AUDIENCE[audience] and entry.table in {"pupil", "guardian", "loan", "lost_case", "position_request", "staff_member",
                                                       "teacher_assignment", "account", "pupil_group_member"}:  # fmt: skip
            lines.append(
                {
                    "what": entry.label.translate(language),
                    "why": entry.purpose.translate(language),
                    "ground": entry.legal_ground.translate(language),
                    "days": days.get(entry.retention) if entry.retention else None,
                    "until": entry.until.translate(language) if entry.until else None,
                    "recipients": list(entry.recipients),
                }
            )
    introduction = _FOR_CHILDREN.translate(language) if audience is NoticeAudience.CHILDREN else _RIGHTS.translate(language)
    return {"words": introduction, "lines": lines}


def hash_content(content: dict[str, Any]) -> str:
    """Return the hash that shows whether two contents differ."""
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def get_notice(
    work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience
) -> tuple[PrivacyNotice | None, dict[str, Any]]:
    """Return the last published version, if any, and the notice as it would be now. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).get_last_notice(town_id, audience), compose_notice(work, town_id, audience)


def publish_notice(work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience) -> PrivacyNotice:
    """Publish a new version. Returns it. Raises `Forbidden`, and `NoticeUnchanged` when the content has not changed."""
    actor.require_permission(Permission.PRIVACY, town_id)
    locks.lock_town(work, town_id)
    last, content = get_notice(work, actor, town_id, audience)
    if last is not None and last.content_sha256 == hash_content(content):
        raise NoticeUnchanged
    row = PrivacyNotice(
        town_id=town_id, audience=audience, version=last.version + 1 if last else 1, content_sha256=hash_content(content), content=content,
        published_by=actor.account_id, published_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    audit.record_event(
        work,
        actor,
        "privacy.publish_notice",
        "privacy_notice",
        row.id,
        town_id=town_id,
        audience=audience.value,
        version=row.version,
    )
    return row


def list_recipients(
    work: UnitOfWork, actor: Actor, town_id: UUID, audience: NoticeAudience, page: PageRequest = FIRST_PAGE
) -> Page[UUID]:
    """List the ids of those to inform of a new version: guardians of enrolled pupils, pupils, or staff. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).list_notice_recipients(town_id, audience, page)
