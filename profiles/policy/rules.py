"""Which documents apply to a tablet, in which version, with which presets, and what they set in a mode. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from profiles.catalog.merge import PolicySource
from profiles.policy.content import PolicyContent, PresetUse, apply_app_use, take_in_presets
from profiles.policy.kinds import PlaceKind, PresetKind, StageKind, TabletRole
from profiles.schedule.modes import Mode


@dataclass(frozen=True, slots=True)
class TabletPlace:
    """Where a tablet stands among the places that have documents."""

    town_id: UUID
    tablet_id: UUID
    school_id: UUID | None
    class_id: UUID | None
    pupil_id: UUID | None
    grade: str | None
    role: TabletRole
    groups: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version that is in force for some tablets. `stage` is set while it is rolled out: then it is in force for its stage."""

    version_id: UUID
    content: PolicyContent
    stage: StageKind | None = None
    stage_target: UUID | None = None
    author: str = ""
    until: datetime | None = None

    def reaches(self, place: TabletPlace) -> bool:
        """Return whether its roll-out has come to a tablet."""
        match self.stage:
            case StageKind.TABLET:
                return self.stage_target == place.tablet_id
            case StageKind.CLASS:
                return self.stage_target == place.class_id
            case StageKind.SCHOOL:
                return self.stage_target == place.school_id
            case _:
                return True


@dataclass(frozen=True, slots=True)
class PublishedDocument:
    """The document of a place with its versions in force: the live one, the one that is rolled out, or both."""

    document_id: UUID
    town_id: UUID | None
    place: PlaceKind
    target: str
    name: str
    versions: tuple[PublishedVersion, ...]

    @property
    def label(self) -> str:
        """Its place, for people. The target of a grade is a word, that of other places an id."""
        name = self.name or (self.target if self.place is PlaceKind.GRADE else "")
        return f"{self.place.value} {name}" if name else self.place.value

    def concerns(self, place: TabletPlace) -> bool:
        """Return whether a tablet is in its place."""
        return self.town_id in (None, place.town_id) and self.target in list_targets(self.place, place)


@dataclass(frozen=True, slots=True)
class PublishedPreset:
    """A preset with its versions in force."""

    preset_id: UUID
    kind: PresetKind
    name: str
    versions: tuple[PublishedVersion, ...]


@dataclass(frozen=True, slots=True)
class AppliedPreset:
    """The version of a preset that a tablet gets through a document, and how the document uses it."""

    name: str
    use: PresetUse
    version: PublishedVersion


@dataclass(frozen=True, slots=True)
class AppliedDocument:
    """The version of a document that a tablet gets, with the presets that it takes in."""

    document: PublishedDocument
    version: PublishedVersion
    presets: tuple[AppliedPreset, ...]

    @property
    def key(self) -> tuple[UUID, ...]:
        """What makes two of them the same: equal keys have equal values in every mode."""
        return (self.version.version_id, *(preset.version.version_id for preset in self.presets))

    def build_source(self, mode: Mode) -> PolicySource:
        """Return what it sets in a mode, presets included, ready to be merged."""
        content = self.version.content
        taken = [
            (preset.name, apply_app_use(preset.version.content.get_values(mode), preset.use.use))
            for preset in self.presets
            if preset.use.applies_in(mode)
        ]
        values = take_in_presets(content.get_values(mode), (values for _, values in taken))
        names: dict[str, tuple[str, ...]] = {}
        for name, preset_values in taken:
            for key in preset_values:
                names[key] = (*names.get(key, ()), name)
        return PolicySource(
            name=self.document.label,
            depth=self.document.place.depth,
            values=values,
            locks=content.get_locks(mode),
            author=self.version.author,
            until=self.version.until,
            presets=names,
        )


def list_targets(kind: PlaceKind, place: TabletPlace) -> set[str]:
    """Return the targets under which documents of a kind concern a tablet."""
    single: dict[PlaceKind, object] = {
        PlaceKind.ROLE: place.role.value,
        PlaceKind.SCHOOL: place.school_id,
        PlaceKind.GRADE: place.grade,
        PlaceKind.CLASS: place.class_id,
        PlaceKind.PUPIL: place.pupil_id,
        PlaceKind.TABLET: place.tablet_id,
    }
    if kind is PlaceKind.GROUP:
        return {str(group) for group in place.groups}
    if kind not in single:
        return {""}
    target = single[kind]
    return set() if target is None else {str(target)}


def choose_version(versions: Sequence[PublishedVersion], place: TabletPlace) -> PublishedVersion | None:
    """Return the version of a document or preset that a tablet gets: the one being rolled out where it has come, else the live one."""
    reached = [version for version in versions if version.reaches(place)]
    return max(reached, key=lambda version: version.stage is not None, default=None)


def apply_documents(
    documents: Iterable[PublishedDocument], presets: Mapping[UUID, PublishedPreset], place: TabletPlace
) -> tuple[AppliedDocument, ...]:
    """Return the documents that a tablet gets, widest first, each with the versions of its presets."""
    applied = []
    for document in documents:
        version = choose_version(document.versions, place) if document.concerns(place) else None
        if version is not None:
            applied.append(AppliedDocument(document, version, _apply_presets(version.content.presets, presets, place)))
    return tuple(
        sorted(applied, key=lambda each: (each.document.place.depth, each.document.name, str(each.document.document_id)))
    )


def _apply_presets(
    uses: Sequence[PresetUse], presets: Mapping[UUID, PublishedPreset], place: TabletPlace
) -> tuple[AppliedPreset, ...]:
    """Return the presets among `uses` that have a version for the tablet, by name: their order never matters."""
    applied = []
    for use in uses:
        preset = presets.get(use.preset_id)
        version = choose_version(preset.versions, place) if preset is not None else None
        if preset is not None and version is not None:
            applied.append(AppliedPreset(preset.name, use, version))
    return tuple(sorted(applied, key=lambda each: (each.name, str(each.use.preset_id), each.use.mode)))
