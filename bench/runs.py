"""Stored runs of measurements: one JSON file each, with the machine and the commit, and the page that shows them all."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

FOLDER = Path(__file__).with_name("runs")
PAGE = Path(__file__).with_name("report.html")
_WIDTH, _BAR = 640, 18
_STYLE = "body{font:16px/1.4 sans-serif;max-width:60rem;margin:2rem auto}table{border-collapse:collapse}td,th{padding:.2rem .6rem;text-align:right}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what was measured, where and when; a row has figures by name, and `what` it is about."""

    name: str
    at: str
    commit: str
    machine: str
    load: float
    rows: Sequence[Mapping[str, str | float]]


def save_run(name: str, rows: Sequence[Mapping[str, str | float]]) -> Path:
    """Store a run of now on this machine. Returns its file."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    now = datetime.now(UTC)
    run = Run(name, now.isoformat(timespec="seconds"), commit, machine, round(os.getloadavg()[0], 1), rows)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{now:%Y%m%dT%H%M%S}-{name}.json"
    path.write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")
    return path


def write_report() -> Path:
    """Write the page of all stored runs, the latest first: a table for each, and a plot of each figure over the runs of one name."""
    runs = [Run(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"), reverse=True)]
    names = list(dict.fromkeys(run.name for run in runs))
    parts = [_render_name(name, [run for run in runs if run.name == name]) for name in names]
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Measurements</title><style>{_STYLE}</style><h1>Measurements</h1>"
    PAGE.write_text(page + "".join(parts) + "</html>\n")
    return PAGE


def _render_name(name: str, runs: Sequence[Run]) -> str:
    figures = [key for key, value in runs[0].rows[0].items() if not isinstance(value, str)]
    plots = "".join(_render_plot(figure, runs) for figure in figures)
    return f"<h2>{escape(name)}</h2>{''.join(map(_render_table, runs))}{plots}"


def _render_table(run: Run) -> str:
    columns = list(run.rows[0])
    head = "".join(f"<th>{escape(column)}" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(row.get(column, '')))}" for column in columns) for row in run.rows)
    where = escape(f"{run.at}, commit {run.commit}, {run.machine}, load {run.load}")
    return f"<table><caption>{where}</caption><tr>{head}{body}</table>"


def _render_plot(figure: str, runs: Sequence[Run]) -> str:
    """Return bars of one figure, one for each row of each run."""
    bars = [(f"{run.at[:16]} {row['what']}", float(row[figure])) for run in runs for row in run.rows if figure in row]
    highest = max((value for _, value in bars), default=0) or 1
    shapes = "".join(
        f"<rect y='{index * _BAR}' width='{value / highest * _WIDTH / 2:.1f}' height='{_BAR - 4}' fill='#9bc'/>"
        f"<text x='4' y='{index * _BAR + 12}' font-size='12'>{escape(label)}: {value:g}</text>"
        for index, (label, value) in enumerate(bars)
    )
    return f"<h3>{escape(figure)}</h3><svg width='{_WIDTH}' height='{len(bars) * _BAR}' role='img'>{shapes}</svg>"
