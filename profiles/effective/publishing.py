"""Publishing as people do it: the risks of a version are refused or confirmed, and what concerns many tablets goes by stages.

What a version is, and how its state changes, is in `profiles.policy.life`. Never commits. See docs/domain/policy.md#stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cartable.alarms import AlarmKind, raise_alarm
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from profiles.effective.assessment import Assessment, assess_draft
from profiles.effective.errors import CutsTabletsOff, RisksNotConfirmed
from profiles.policy import life
from profiles.policy.checks import check_app_verdicts, check_licences
from profiles.policy.documents import require_author_of, select_concerned
from profiles.policy.errors import AuthorNotTrusted, ReasonRequired, RisksNeedStages, StageNotProved, VersionNotFound
from profiles.policy.kinds import StageKind, VersionState
from profiles.policy.life import ALL_TABLETS, Stage
from profiles.policy.models import PolicyVersion
from profiles.policy.places import select_stage_tablets
from profiles.policy.repository import PolicyRepository, Versioned, to_content

#: How many tablets a version may reach at once without a reason: those of a class.
MAX_FIRST_STAGE = 40
#: Above this number of tablets, what goes out at once or could cut tablets off needs a publisher who is not its author.
SECOND_PERSON_ABOVE = 200


@dataclass(frozen=True, slots=True)
class Publication:
    """What a person asks for: how far, why, why without stages, and the code of the risks that were shown."""

    stage: Stage = ALL_TABLETS
    reason: str | None = None
    at_once_reason: str | None = None
    confirmation: str | None = None
    accept_shortage: bool = False


def publish(work: UnitOfWork, actor: Actor, owner: Versioned, number: int, publication: Publication) -> PolicyVersion:
    """Publish a version for a person. To all: by stages that the server chooses, where it concerns a whole town or many tablets.

    With `at_once_reason` it goes to all of them now. Raises what `life.publish` raises, and `CutsTabletsOff`, `RisksNotConfirmed`,
    `RisksNeedStages`, `StageNotProved`, `ReasonRequired`, `AuthorNotTrusted`, `SamePerson`, `NotTrustedYet`,
    `ReauthenticationRequired`; for what could cut tablets off `BudgetUsedUp`, `DestructiveCommandsStopped`.
    """
    require_author_of(actor, owner)
    if publication.stage.kind is StageKind.ALL:
        life.require_reauthentication_for_town(work, actor, owner)
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version(owner, number)
    if version is None:
        raise VersionNotFound
    check_app_verdicts(work, owner, to_content(version))  # the refusal may be younger than the draft
    assessment = assess_draft(work, owner, to_content(version))
    _check_risks(assessment, publication)
    is_at_once = _check_stage(work, owner, version, assessment, publication)
    if assessment.confirmation and owner.town_id is not None:
        reached = _count_unproved(work, version, publication.stage)
        budget.spend_budget(work, actor, owner.town_id, IrreversibleAct.LOCK_OUT, reached)
    if assessment.tablets > SECOND_PERSON_ABOVE and (is_at_once or assessment.findings):
        _require_second_person(work, actor, version)
    advances = publication.stage.kind is StageKind.ALL and version.state is VersionState.DRAFT and not is_at_once
    advances = advances and _needs_stages(work, owner, assessment)
    if advances and not publication.accept_shortage:
        check_licences(work, owner, to_content(version), select_concerned(work, owner))
    version = life.publish(
        work,
        actor,
        owner,
        number,
        Stage(StageKind.TABLET) if advances else publication.stage,
        reason=publication.reason or publication.at_once_reason,
        accept_shortage=publication.accept_shortage or advances,
        advances=advances,
    )
    version.confirmation = assessment.confirmation
    details: dict[str, Any] = {"owner": str(owner.id), "version": number, "tablets": assessment.tablets}
    if assessment.confirmation:
        rules = [finding.risk.rule.value for finding in assessment.findings]
        raise_alarm(work, owner.town_id, AlarmKind.POLICY_RISK_CONFIRMED, actor=actor, risks=rules, **details)
    if is_at_once:
        version.at_once_reason = publication.at_once_reason
        reason = publication.at_once_reason
        raise_alarm(work, owner.town_id, AlarmKind.POLICY_PUBLISHED_AT_ONCE, actor=actor, reason=reason, **details)
    return version


def _check_risks(assessment: Assessment, publication: Publication) -> None:
    if assessment.refused:
        raise CutsTabletsOff(assessment.refused)
    if assessment.confirmation is not None:
        if publication.confirmation != assessment.confirmation:
            raise RisksNotConfirmed(assessment.findings, confirmation=assessment.confirmation)
        if publication.at_once_reason:
            raise RisksNeedStages


def _check_stage(
    work: UnitOfWork, owner: Versioned, version: PolicyVersion, assessment: Assessment, publication: Publication
) -> bool:
    """Return whether the version goes to many tablets without the proof of a former stage. Raises when it must not."""
    kind = publication.stage.kind
    if version.state is VersionState.ROLLING:
        if version.stage_proved_at is not None:
            return False
        if not publication.at_once_reason:
            raise StageNotProved
        return True
    if kind is StageKind.ALL:
        if not _needs_stages(work, owner, assessment):
            return False
        return bool(publication.at_once_reason)
    target = publication.stage.target
    if target is None or assessment.changes_apps_alone:
        return False
    reached = PolicyRepository(work.session).count_tablets(select_stage_tablets(work, kind, target))
    if reached > MAX_FIRST_STAGE and not publication.at_once_reason:
        raise ReasonRequired(field="at_once_reason")
    return reached > MAX_FIRST_STAGE


def _count_unproved(work: UnitOfWork, version: PolicyVersion, stage: Stage) -> int:
    """Return how many tablets get a risky version before any has proved it: those of the first stage, one where the server chooses it."""
    if version.state is VersionState.ROLLING:
        return 0
    if stage.kind is StageKind.ALL or stage.target is None:
        return 1
    return PolicyRepository(work.session).count_tablets(select_stage_tablets(work, stage.kind, stage.target))


def _needs_stages(work: UnitOfWork, owner: Versioned, assessment: Assessment) -> bool:
    """Return whether a draft for all goes by stages. What changes apps alone cuts nothing off, and is paced by its licences."""
    if assessment.tablets <= 1:
        return False
    if assessment.findings:
        return True
    return not assessment.changes_apps_alone and (assessment.tablets > MAX_FIRST_STAGE or life.is_town_wide(work, owner))


def _require_second_person(work: UnitOfWork, actor: Actor, version: PolicyVersion) -> None:
    """Raise unless the publisher may be the second person beside the author, and the author was one to be trusted."""
    if not version.is_author_trusted:
        raise AuthorNotTrusted
    actor.require_second_person(work.now, version.author_id)


def choose_first_tablet(work: UnitOfWork, owner: Versioned, number: int, tablet_id: UUID) -> None:
    """Begin a roll-out that waits for its first tablet. Nothing changes when a person was faster."""
    version = _lock_advancing(work, owner, number)
    if version is None or version.stage_target is not None:
        return
    version.stage_target, version.published_at, version.stage_proved_at = tablet_id, work.now, None
    work.session.flush()
    life.enqueue_concerned(work, owner)


def record_stage_proved(work: UnitOfWork, owner: Versioned, number: int, stage: Stage) -> None:
    """Record that a stage has proved a version, and go on to the next where the server does it by itself.

    A person who published, stopped or went on meanwhile was faster: then nothing changes. Risks that have come up since they were
    confirmed, as another document went into force, stop the roll-out.
    """
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version(owner, number)
    if version is None or version.state is not VersionState.ROLLING or Stage(version.stage, version.stage_target) != stage:  # type: ignore[arg-type]
        return
    version.stage_proved_at = version.stage_proved_at or work.now
    if not version.advances:
        return
    assessment = assess_draft(work, owner, to_content(version))
    if assessment.refused or assessment.confirmation != version.confirmation:
        rules = ", ".join(finding.risk.rule.value for finding in assessment.findings)
        life.stop_version(work, SYSTEM, owner, version, f"new risks since it was confirmed: {rules}")
        return
    next_stage = _find_next_stage(work, owner, stage)
    life.publish(work, SYSTEM, owner, number, next_stage, accept_shortage=True, advances=next_stage.kind is not StageKind.ALL)


def _lock_advancing(work: UnitOfWork, owner: Versioned, number: int) -> PolicyVersion | None:
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version(owner, number)
    return version if version is not None and version.state is VersionState.ROLLING and version.advances else None


def _find_next_stage(work: UnitOfWork, owner: Versioned, stage: Stage) -> Stage:
    """Return the next wider stage that reaches more tablets than the present one and fewer than all."""
    assert stage.target is not None
    repository = PolicyRepository(work.session)
    concerned = select_concerned(work, owner)

    def count(other: Stage) -> int:
        assert other.target is not None
        return repository.count_tablets(repository.select_both(select_stage_tablets(work, other.kind, other.target), concerned))

    total, reached = repository.count_tablets(concerned), count(stage)
    for wider in _list_wider_stages(work, stage):
        if reached < count(wider) < total:
            return wider
    return ALL_TABLETS


def _list_wider_stages(work: UnitOfWork, stage: Stage) -> list[Stage]:
    """Return the class and the school around a stage."""
    assert stage.target is not None
    class_id = school_id = None
    if stage.kind is StageKind.TABLET:
        facts = load_facts(work, [stage.target]).get(stage.target)
        class_id, school_id = (facts.class_id, facts.school_id) if facts is not None else (None, None)
    elif stage.kind is StageKind.CLASS:
        school_id = PolicyRepository(work.session).get_school_of_class(stage.target)
    wider = ((StageKind.CLASS, class_id), (StageKind.SCHOOL, school_id))
    return [Stage(kind, target) for kind, target in wider if target is not None]
