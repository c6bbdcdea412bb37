"""Checks of settings, clock, time zones, broker, and of what lies outside the server."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kombu.connection import Connection

from cartable.setting_names import list_unknown_settings
from cartable.settings import Settings
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity import tls
from enrollment.places.repository import PlaceRepository
from mdm.cli import preflight
from mdm.cli.doctor.diagnosis import Diagnosis, failed, good, warning

#: The zones of France's towns, from one end to the other.
ZONES = ("Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea")
SECONDS = 3.0


def check_settings(settings: Settings) -> Iterator[Diagnosis]:
    """Yield settings that are unknown, contradict each other, or have changed since tablets enrolled."""
    unknown = list_unknown_settings(os.environ)
    for name, similar in unknown:
        yield warning("settings", f"{name} is unknown and has no effect", f"Did you mean {similar}?" if similar else "Remove it.")
    try:
        preflight.check_processes(settings)
    except preflight.CannotStart as error:
        yield failed("settings", str(error), "Set CARTABLE_BROKER_URL, or CARTABLE_WEB_WORKERS=1.")
    former = preflight.read_enrolled_url(settings)
    if former is not None and former != settings.public_url:
        yield failed(
            "address",
            f"tablets enrolled at {former}; now it is {settings.public_url}",
            "Set CARTABLE_PUBLIC_URL back: a tablet accepts no other one.",
        )
    elif not unknown:
        yield good("settings", f"public address {settings.public_url}")


def check_clock(work: UnitOfWork) -> Iterator[Diagnosis]:
    """Yield whether the clock is trusted, and whether it is behind what was known."""
    repository = TimelineRepository(work.session)
    row, pause = repository.get(), repository.get_open_pause()
    if pause is not None:
        yield failed(
            "clock",
            f"it has jumped from {pause.known_at:%Y-%m-%d} to {pause.noticed_at:%Y-%m-%d}: nothing is deleted",
            "Set it right, or `cartable clock release`.",
        )
    elif row is not None and row.known_at - work.now > timedelta(minutes=5):
        yield failed(
            "clock",
            f"it is behind: it was {row.known_at:%Y-%m-%d %H:%M} before",
            "Set it right: certificates would seem not to be valid yet.",
        )
    else:
        yield good("clock", f"{work.now:%Y-%m-%d %H:%M} UTC")


def check_time_zones() -> Iterator[Diagnosis]:
    """Yield whether the data of time zones are there: without them no timetable can be read."""
    missing = []
    for name in ZONES:
        try:
            ZoneInfo(name)
        except ZoneInfoNotFoundError:
            missing.append(name)
    if missing:
        yield failed("time zones", f"unknown: {', '.join(missing)}", "Install the package tzdata.")
    else:
        yield good("time zones", "known")


def check_broker(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether the broker answers."""
    if settings.embedded_worker:
        yield good("broker", "none needed: the worker runs inside the server")
        return
    try:
        with Connection(settings.broker_url, connect_timeout=SECONDS) as connection:  # type: ignore[no-untyped-call]
            connection.ensure_connection(max_retries=1, timeout=SECONDS)
        yield good("broker", "answers")
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own; the message may hold the URL
        yield failed(
            "broker",
            f"it does not answer ({type(error).__name__})",
            "Is it running, and is CARTABLE_BROKER_URL right? Jobs wait in the database.",
        )


def check_town_hosts(runtime: Runtime) -> Iterator[Diagnosis]:
    """Yield whether the host name of each town leads to this server, and its certificate is one that tablets accept."""
    port = urlsplit(runtime.settings.public_url).port or 443
    roots = tls.read_tls_ca_certificate(runtime.settings)
    context = ssl.create_default_context(cadata=roots)
    with runtime.open_unit_of_work() as work:
        hosts = PlaceRepository(work.session).list_hosts()
    for host in hosts:
        try:
            with (
                socket.create_connection((host, port), timeout=SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                yield good("town host", f"{host} answers with a valid certificate")
        except ssl.SSLError as error:
            yield failed(
                "town host", f"{host}: {error.reason or error}", "Its certificate must name it: docs/operator/town-hosts.md.",
            )  # fmt: skip
        except OSError as error:
            yield failed(
                "town host",
                f"{host}:{port} cannot be reached ({error.strerror or error})",
                "Its tablets come to this name alone: make it lead to this server in the DNS.",
            )


def check_network(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether Apple's push service and the own public address can be reached."""
    for check, url in (("push service", settings.apns_url), ("public address", settings.public_url)):
        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 443), timeout=SECONDS):
                yield good(check, f"{parts.hostname} can be reached")
        except OSError as error:
            yield failed(
                check,
                f"{parts.hostname}:{parts.port or 443} cannot be reached ({error.strerror or error})",
                "Open the firewall to it (Apple: 17.0.0.0/8, port 443).",
            )
