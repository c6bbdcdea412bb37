"""Endpoint of the catalogue of settings."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from cartable.i18n import list_available_languages
from cartable.paging import paginate
from mdm.api.deps import ActorDep
from mdm.api.paging import PageOut, PageParams
from profiles.catalog.settings import MergeRule, Setting, ValueKind, load_catalog

router = APIRouter(tags=["settings"])


class SettingOut(BaseModel):
    """One setting of the catalogue. `places`: the kinds of places that may set it; none: all. `labels` by language."""

    key: str
    kind: ValueKind
    merge: MergeRule
    adds_up: bool
    places: list[str]
    all_modes_only: bool
    supervised: bool
    minimum_os: str
    removed_in: str | None
    labels: dict[str, str]


@router.get("/settings", response_model=PageOut[SettingOut])
def list_settings(_actor: ActorDep, page: PageParams) -> PageOut[SettingOut]:
    """List the settings of the catalogue. Those that a document may hold, by key."""
    return PageOut.of(paginate(list(load_catalog().values()), page, lambda setting: (setting.key,)), _describe)


def _describe(setting: Setting) -> SettingOut:
    return SettingOut(
        key=setting.key,
        kind=setting.kind,
        merge=setting.merge_rule,
        adds_up=setting.adds_up,
        places=list(setting.places),
        all_modes_only=setting.all_modes_only,
        supervised=setting.supervised,
        minimum_os=".".join(map(str, setting.minimum)),
        removed_in=".".join(map(str, setting.removed)) if setting.removed else None,
        labels={language.code: setting.label.translate(language) for language in list_available_languages()},
    )
