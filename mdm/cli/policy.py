"""The commands `cartable policy export|plan|apply`: a town's policy as a file, under the same guards as any publication."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from cartable.i18n import ENGLISH, Language, list_available_languages
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from mdm.cli.hours_yaml import build_hours, read_hours
from mdm.cli.policy_yaml import read_policy, write_policy
from mdm.cli.towns import find_town
from profiles.catalog.secrets import hide_secrets_of
from profiles.effective.hours_files import HoursChange, apply_hours, export_hours, plan_hours
from profiles.effective.policy_files import EntryPlan, EntryState, PolicyEntry, apply_policy, export_policy, plan_policy
from profiles.effective.publishing import Publication
from profiles.policy.reachability_texts import RISK_TEXTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the commands."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    exporting = actions.add_parser("export", help="print the policy of a town, with comments and without secrets")
    exporting.add_argument("--town", required=True, metavar="SLUG")
    exporting.add_argument("--language", default="fr", choices=[language.code for language in list_available_languages()])
    planning = actions.add_parser("plan", help="show what a file would change; stores nothing")
    planning.add_argument("file", type=Path)
    applying = actions.add_parser("apply", help="publish what differs, by stages where it concerns many tablets")
    applying.add_argument("file", type=Path)
    applying.add_argument("--author", required=True, help="who answers for it")
    applying.add_argument("--reason", required=True)
    applying.add_argument("--confirm", metavar="CODE", help="the code of the risks that the plan shows")
    applying.add_argument("--at-once", metavar="WHY", help="why it goes to many tablets without stages")
    applying.add_argument("--accept-shortage", action="store_true", help="although licences are short")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Run one of the commands. Raises `BadPolicyFile`, `NotFound`, and what publishing raises."""
    if parsed.action == "export":
        language = next(each for each in list_available_languages() if each.code == parsed.language)
        print(_export(work, find_town(work, parsed.town), language), end="")
        return
    data = parsed.file.read_bytes()
    slug, entries = read_policy(data)
    hours = read_hours(data)
    town = find_town(work, slug)
    if parsed.action == "plan":
        actor = Actor(account_id=None, name="plan", everywhere=True)
        with work.session.begin_nested() as trial:  # what planning saves is taken back
            plans = plan_policy(work, actor, town.id, entries)
            changes = plan_hours(work, actor, town.id, hours)
            trial.rollback()
        print("\n".join([*_format_changes(changes), *_format_plans(plans, ENGLISH)]))
        return
    actor = Actor(account_id=None, name=f"operator: {parsed.author}"[:200], everywhere=True)
    publication = Publication(
        reason=parsed.reason, at_once_reason=parsed.at_once, confirmation=parsed.confirm, accept_shortage=parsed.accept_shortage
    )
    changes = apply_hours(work, actor, town.id, hours)
    published = apply_policy(work, actor, town.id, entries, publication)
    print("".join(f"{line}\n" for line in _format_changes(changes)), end="")
    for entry, version in published:
        print(f"{_format_name(entry)}: version {version.number} {version.state.value}")
    if not published and not changes:
        print("Nothing differs.")


def _export(work: UnitOfWork, town: Town, language: Language) -> str:
    """Return the file of a town: its presets and documents, and its hours."""
    actor = Actor(account_id=None, name="export", everywhere=True)
    schools = {school.uai: school.name for school in places.list_schools(work, actor, town.id)}
    hours = build_hours(export_hours(work, actor, town.id), schools)
    return write_policy(town.slug, export_policy(work, town.id), language, hours=hours)


def _format_changes(changes: list[HoursChange]) -> Iterator[str]:
    return (f"{change.verb} {change.what}: {change.tablets} tablets" for change in changes)


def _format_name(entry: PolicyEntry) -> str:
    kind, name = entry.name
    label = f" ({entry.label})" if entry.label else ""
    return f"{kind.value} {name}{label}".strip()


def _format_plans(plans: list[EntryPlan], language: Language) -> Iterator[str]:
    for plan in plans:
        if plan.state is EntryState.UNCHANGED or plan.preview is None:
            continue
        preview = plan.preview
        yield f"{_format_name(plan.entry)}: {plan.state.value}, {preview.changed} of {preview.tablets} tablets get other rules"
        yield from (f"  {path}" for path in plan.paths)
        for effect in preview.effects:
            modes = ", ".join(mode.value for mode in effect.modes)
            key = effect.change.key
            before, after = (hide_secrets_of(key, value) for value in (effect.change.before, effect.change.after))
            yield f"  {key}: {before} -> {after} on {effect.tablets} tablets ({modes})"
        for need in preview.licences:
            if need.missing:
                yield f"  {need.missing} licences of {need.app} are missing"
        for finding in preview.assessment.findings:
            text = RISK_TEXTS[finding.risk.rule]
            yield f"  {finding.risk.severity.value}: {text.sentence.translate(language)} {text.remedy.translate(language)}"
        if preview.assessment.confirmation is not None:
            yield f"  code of these risks: {preview.assessment.confirmation}"
    unchanged = sum(plan.state is EntryState.UNCHANGED for plan in plans)
    yield f"{unchanged} of {len(plans)} entries change nothing. Presets and documents that the file does not name stay as they are."
