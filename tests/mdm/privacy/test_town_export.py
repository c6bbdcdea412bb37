"""The archive of a town: all that belongs to it and nothing of another, readable, without keys."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from mdm.privacy.dictionary import list_secrets
from mdm.privacy.town_export import export_town
from mdm.privacy.town_repository import list_town_tables
from mdm.protocol.commands.queries import ProfileList
from tests.mdm.queue.connect_loop import enqueue_for
from tests.support.world import TownFactory


def _read(file: Path) -> dict[str, list[dict[str, Any]]]:
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jsonl")]
        return {name.removesuffix(".jsonl"): [json.loads(line) for line in archive.read(name).splitlines()] for name in names}


def test_a_town_gets_all_its_rows_and_none_of_another(runtime: Runtime, tmp_path: Path) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        towns = factory.create_town("Ici"), factory.create_town("Ailleurs")
        enrollment_ids = []
        for town in towns:
            pupil = factory.create_pupil(factory.create_class(factory.create_school(town)), Grade.CE2)
            tablet = factory.create_tablet(town)
            factory.lend_tablet(tablet, pupil)
            enrollment_ids.append(factory.enroll_tablet(tablet).id)
        own_id, other_id = str(towns[0].id), str(towns[1].id)
    enqueue_for(runtime, enrollment_ids, ProfileList())
    file = tmp_path / "town.zip"
    with runtime.open_unit_of_work() as work:
        counts = export_town(work, work.session.get_one(type(towns[0]), towns[0].id), file)
    tables = _read(file)
    assert {name: len(rows) for name, rows in tables.items()} == counts
    assert {
        name: counts[name]
        for name in ("town", "school", "pupil", "tablet", "loan", "device_enrollment", "school_class", "command")
    } == dict.fromkeys(("town", "school", "pupil", "tablet", "loan", "device_enrollment", "school_class", "command"), 1)
    assert tables["pupil"][0]["last_name"], "names are readable"
    text = json.dumps(tables)
    assert own_id in text
    assert other_id not in text
    assert file.stat().st_mode & 0o077 == 0
    with runtime.open_unit_of_work() as work, pytest.raises(FileExistsError):
        export_town(work, work.session.get_one(type(towns[0]), towns[0].id), file)


def test_no_key_leaves_with_a_town(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        names = {table.name for table in list_town_tables(town.id)}
    assert not names & {"account", "certificate_authority", "push_certificate", "outbox"}
    assert "device_enrollment.unlock_token" in list_secrets()
