"""The life of versions: draft, publish by stages, stop, roll back, end by itself. Never commits; what is acceptable is in `validation`.

Documents and presets have the same life; both are called owner here. See docs/domain/policy.md#life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from profiles.policy.checks import check_content, check_licences
from profiles.policy.content import PolicyContent, compare_contents
from profiles.policy.documents import require_author_of, select_concerned
from profiles.policy.errors import BadSetting, BadStage, CannotPublish, NewerVersion, ReasonRequired, VersionNotFound
from profiles.policy.kinds import IN_FORCE, PlaceKind, StageKind, VersionState
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.policy.places import check_stage
from profiles.policy.repository import PolicyRepository, Versioned, to_content


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a roll-out goes: one tablet, one class, one school, or all."""

    kind: StageKind
    target: UUID | None = None


ALL_TABLETS = Stage(StageKind.ALL)
#: What is published for these goes to tablets of every school of a town.
_TOWN_WIDE = frozenset({PlaceKind.OPERATOR, PlaceKind.TOWN, PlaceKind.ROLE, PlaceKind.GRADE})


@dataclass(frozen=True, slots=True)
class Draft:
    """What an author hands in: the content of a new version, the live version it was written against, why, and until when.

    Without `base` it is written against the version that is live now.
    """

    content: PolicyContent
    base: int | None = None
    reason: str | None = None
    until: datetime | None = None


def save_draft(work: UnitOfWork, actor: Actor, owner: Versioned, draft: Draft) -> PolicyVersion:
    """Return a new version of a document or preset; nothing changes on tablets.

    Raises `BadSetting` with the field named, `SettingsConflict`, `Forbidden`.
    """
    require_author_of(actor, owner)
    content = check_content(work, owner, draft.content)
    if draft.until is not None and draft.until <= work.now:
        raise BadSetting(field="until", why="it is over")
    PolicyRepository(work.session).lock(owner)  # two authors at once must not get the same number
    return _add_version(work, actor, owner, replace(draft, content=content))


def _add_version(work: UnitOfWork, actor: Actor, owner: Versioned, draft: Draft) -> PolicyVersion:
    repository = PolicyRepository(work.session)
    base = draft.base
    if base is None:
        live = repository.get_version_in_state(owner, VersionState.LIVE)
        base = live.number if live is not None else None
    version = PolicyVersion(
        document_id=owner.id if isinstance(owner, PolicyDocument) else None,
        preset_id=None if isinstance(owner, PolicyDocument) else owner.id,
        number=repository.get_next_number(owner),
        state=VersionState.DRAFT,
        values={mode: dict(part) for mode, part in draft.content.values.items()},
        locks={mode: sorted(set(keys)) for mode, keys in draft.content.locks.items()},
        presets=[use.to_json() for use in draft.content.presets],
        base=base,
        reason=draft.reason,
        until=draft.until,
        author_id=actor.account_id,
        author_name=actor.name,
        is_author_trusted=actor.trusted_from is None or actor.trusted_from <= work.now,
        written_at=work.now,
    )
    _record(work, actor, "draft", owner, version)
    work.session.add(version)
    work.session.flush()
    return version


def publish(
    work: UnitOfWork,
    actor: Actor,
    owner: Versioned,
    number: int,
    stage: Stage = ALL_TABLETS,
    *,
    reason: str | None = None,
    accept_shortage: bool = False,
    advances: bool = False,
) -> PolicyVersion:
    """Put a version into force, for all tablets or for a first stage. A roll-out goes on by publishing it again, further.

    People publish with `profiles.effective.publishing`, which looks at the risks and asks for stages. With `advances` the server
    itself goes on: the first stage is then a tablet that it still has to choose.

    Raises `VersionNotFound`, `CannotPublish`, `NewerVersion`, `BadStage`, `ReasonRequired` for a draft that goes to all tablets
    at once, and `LicencesShort` unless the shortage is accepted: then the tablets that get no licence wait.
    """
    require_author_of(actor, owner)
    if stage.kind is StageKind.ALL or advances:
        require_reauthentication_for_town(work, actor, owner)
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version(owner, number)
    if version is None:
        raise VersionNotFound
    in_force = repository.load_versions_in_force(owner)
    is_target_open = advances and version.state is VersionState.DRAFT
    _check_publishable(work, owner, version, stage, in_force, is_target_open=is_target_open)
    if stage.kind is StageKind.ALL and version.state is VersionState.DRAFT and not (reason or version.reason):
        raise ReasonRequired(field="reason")
    concerned = select_concerned(work, owner)
    if stage.target is not None:
        concerned = check_stage(work, owner.town_id, concerned, stage.kind, stage.target)
    if not accept_shortage:
        check_licences(work, owner, to_content(version), concerned)
    version.reason = reason or version.reason
    _record(work, actor, "publish", owner, version, stage=stage.kind.value)
    if stage.kind is StageKind.ALL:
        _make_live(work, in_force.get(VersionState.LIVE), version)
    else:
        version.state, version.stage, version.stage_target = VersionState.ROLLING, stage.kind, stage.target
        version.advances = advances
    version.published_at, version.stage_proved_at = work.now, None
    work.session.flush()
    enqueue_concerned(work, owner)
    return version


def enqueue_concerned(work: UnitOfWork, owner: Versioned) -> None:
    """Enqueue a new decision for every tablet that a document or preset concerns."""
    work.enqueue_selected_jobs(Topic.RECONCILE, select_concerned(work, owner), lane=JobLane.BACKGROUND)


def require_reauthentication_for_town(work: UnitOfWork, actor: Actor, owner: Versioned) -> None:
    """Raise `ReauthenticationRequired` if the owner's content concerns a whole town and the password was not given once more."""
    if is_town_wide(work, owner):
        actor.require_reauthentication()


def is_town_wide(work: UnitOfWork, owner: Versioned) -> bool:
    """Return whether what is published goes to tablets of every school of a town.

    A preset that was published before may be in use anywhere; a new one is used nowhere yet.
    """
    if isinstance(owner, PolicyDocument):
        return owner.place in _TOWN_WIDE
    return PolicyRepository(work.session).get_version_in_state(owner, VersionState.LIVE) is not None


def _check_publishable(
    work: UnitOfWork,
    owner: Versioned,
    version: PolicyVersion,
    stage: Stage,
    in_force: Mapping[VersionState, PolicyVersion],
    *,
    is_target_open: bool,
) -> None:
    if version.state not in (VersionState.DRAFT, VersionState.ROLLING):
        raise CannotPublish(why=version.state.value)
    if version.until is not None and version.until <= work.now:
        raise CannotPublish(why="its_time_is_over")
    rolling, live = in_force.get(VersionState.ROLLING), in_force.get(VersionState.LIVE)
    if rolling is not None and rolling.id != version.id:
        raise CannotPublish(why="another_roll_out")
    if (stage.kind is StageKind.ALL or is_target_open) != (stage.target is None):
        raise BadStage(field="target", why="no_target" if stage.target is None else "all_has_no_target")
    if (live.number if live is not None else None) != version.base:
        repository = PolicyRepository(work.session)
        written_against = repository.get_version(owner, version.base) if version.base is not None else None
        before = to_content(written_against) if written_against is not None else PolicyContent()
        after = to_content(live) if live is not None else PolicyContent()
        raise NewerVersion(live=live.number if live is not None else 0, changes=compare_contents(before, after))


def _make_live(work: UnitOfWork, former: PolicyVersion | None, version: PolicyVersion) -> None:
    if former is not None:
        former.state = VersionState.SUPERSEDED
        work.session.flush()  # the database allows one live version at a time
    version.state, version.stage, version.stage_target, version.advances = VersionState.LIVE, None, None, False


def stop(work: UnitOfWork, actor: Actor, owner: Versioned, reason: str) -> PolicyVersion:
    """Stop the roll-out of a document or preset: what was in force before is in force again. Raises `VersionNotFound`."""
    require_author_of(actor, owner)
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version_in_state(owner, VersionState.ROLLING)
    if version is None:
        raise VersionNotFound
    stop_version(work, actor, owner, version, reason)
    return version


def stop_version(work: UnitOfWork, actor: Actor, owner: Versioned, version: PolicyVersion, reason: str) -> None:
    """Stop one roll-out, for a person or for the server that watches it. The caller has locked the owner."""
    _record(work, actor, "stop", owner, version, reason=reason[:200])
    version.state, version.stop_reason = VersionState.STOPPED, reason[:200]
    work.session.flush()
    enqueue_concerned(work, owner)


def roll_back(work: UnitOfWork, actor: Actor, owner: Versioned, number: int) -> PolicyVersion:
    """Return a new live version with the content of an earlier one; history is never rewritten.

    Raises `VersionNotFound`, and `CannotPublish` for a version that was never live: a draft or a stopped roll-out would reach all
    tablets without stages.
    """
    former = PolicyRepository(work.session).get_version(owner, number)
    if former is None:
        raise VersionNotFound
    if former.state not in (VersionState.LIVE, VersionState.SUPERSEDED):
        raise CannotPublish(why="never_live")
    return _replace_content(work, actor, owner, to_content(former), f"back to version {number}")


def end_temporary_versions(work: UnitOfWork) -> int:
    """End the versions whose time is over: what they were written against is in force again. Return how many ended."""
    repository = PolicyRepository(work.session)
    ended = 0
    for owner, version in repository.list_ended(work.now):
        repository.lock(owner)
        work.session.refresh(version)
        if version.state not in IN_FORCE:
            continue  # a person was faster
        ended += 1
        if version.state is VersionState.ROLLING:
            stop_version(work, SYSTEM, owner, version, "its time is over")
            continue
        former = repository.get_version(owner, version.base) if version.base is not None else None
        content = to_content(former) if former is not None else PolicyContent()
        _replace_content(work, SYSTEM, owner, content, f"version {version.number} has ended")
    return ended


def _replace_content(work: UnitOfWork, actor: Actor, owner: Versioned, content: PolicyContent, reason: str) -> PolicyVersion:
    """Put a former content into force at once; a roll-out under way is stopped. Licences were checked when it was first published."""
    require_author_of(actor, owner)
    require_reauthentication_for_town(work, actor, owner)
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    rolling = repository.get_version_in_state(owner, VersionState.ROLLING)
    if rolling is not None:
        stop_version(work, actor, owner, rolling, reason)
    # What was once published is not checked again: going back must never fail.
    version = _add_version(work, actor, owner, Draft(content, reason=reason))
    return publish(work, actor, owner, version.number, accept_shortage=True)


def _record(work: UnitOfWork, actor: Actor, verb: str, owner: Versioned, version: PolicyVersion, **details: object) -> None:
    is_document = isinstance(owner, PolicyDocument)
    action, subject = (f"policy.{verb}", "policy_document") if is_document else (f"preset.{verb}", "preset")
    audit.record_event(work, actor, action, subject, owner.id, town_id=owner.town_id, version=version.number, **details)
