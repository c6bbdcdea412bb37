"""Errors of policy documents, presets and their versions."""

from __future__ import annotations

from cartable.errors import Conflict, Forbidden, Invalid, NotFound
from cartable.i18n import Message


class DocumentNotFound(NotFound):
    """The document does not exist, or the caller may not see it."""

    code = "policy_document_not_found"
    message = Message("This policy document was not found.")


class PresetNotFound(NotFound):
    """The preset does not exist, or the caller may not see it."""

    code = "preset_not_found"
    message = Message("This preset was not found.")


class VersionNotFound(NotFound):
    """The document or preset has no such version."""

    code = "policy_version_not_found"
    message = Message("This version was not found.")


class PresetExists(Conflict):
    """The town already has a preset of that kind and name."""

    code = "preset_exists"
    message = Message("The town already has a preset of that name.")


class GroupNotFound(NotFound):
    """The group does not exist, or the caller does not write its policy."""

    code = "group_not_found"
    message = Message("This group was not found.")


class GroupExists(Conflict):
    """The town already has a group of that name."""

    code = "group_exists"
    message = Message("The town already has a group of that name.")


class GroupInUse(Conflict):
    """Rules are in force for the group."""

    code = "group_in_use"
    message = Message("This group has rules of its own. Take them out and publish that first.")


class DeadlineOver(Invalid):
    """The deadline of a system update is over: tablets would restart at once, wherever they are."""

    code = "deadline_over"
    message = Message("That day and hour are over. Tablets would be updated and restarted at once: name a later time.")


class UnknownPlace(Invalid):
    """The document names a place that does not exist or does not fit its kind."""

    code = "unknown_place"
    message = Message("This place does not exist ({field}).")


class BadSetting(Invalid):
    """A setting is unknown, its value is not acceptable, or it is not set at such a place."""

    code = "bad_setting"
    message = Message("The setting '{field}' is not acceptable: {why}.")


class SettingsConflict(Invalid):
    """Two settings of one document contradict each other: `field` and `other` name them, `rule` says how."""

    code = "settings_conflict"
    message = Message("The settings '{field}' and '{other}' contradict each other ({why}).")


class CannotPublish(Conflict):
    """The version is neither a draft nor rolled out, or another version is being rolled out."""

    code = "cannot_publish"
    message = Message("This version cannot be published ({why}).")


class NewerVersion(Conflict):
    """Somebody has published since the version was written; `changes` lists what differs. Nothing was published."""

    code = "newer_version"
    message = Message("Version {live} was published after this one was written: compare them, then save again.")


class BadStage(Invalid):
    """The target of a stage does not exist, is not concerned by the document, or holds no tablets: `why` says which."""

    code = "bad_stage"
    message = Message("This stage is not acceptable ({why}).")


class ReasonRequired(Invalid):
    """A version that goes to all tablets at once needs a reason."""

    code = "reason_required"
    message = Message("Publishing to all tablets at once needs a reason.")


class StageNotProved(Conflict):
    """The tablets of the present stage have not yet checked in under the new rules."""

    code = "stage_not_proved"
    message = Message("The tablets of the present stage have not checked in under the new rules yet: wait, or say why not.")


class AuthorNotTrusted(Forbidden):
    """The account that wrote the version was too new to be one of two people."""

    code = "author_not_trusted"
    message = Message("The author's account was new when this version was written: somebody else must save it again.")


class RisksNeedStages(Conflict):
    """The version could cut tablets off: it never goes to many at once, whatever the reason."""

    code = "risks_need_stages"
    message = Message("This could cut tablets off: it goes by stages only.")


class BadPolicyFile(Invalid):
    """A file of a town's policy cannot be read or is not acceptable: `line` and `why` say where and what."""

    code = "bad_policy_file"
    message = Message("Line {line} of the file is not acceptable: {why}.")
