"""Checks before the server starts, each with a sentence that says what to do. Starts nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from cartable.settings import Settings
from enrollment.identity.acme.attestation import roots_in


class CannotStart(Exception):
    """The server cannot start; the message is for the person at the terminal."""


def read_settings() -> Settings:
    """Read the configuration. Raises `CannotStart` with each wrong variable by its name."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"  CARTABLE_{'_'.join(str(part) for part in item['loc'][:1]).upper()}: {item['msg']}" for item in error.errors()
        ]
        raise CannotStart("the configuration is wrong:\n" + "\n".join(lines)) from error


def check_folder(folder: Path) -> None:
    """Make the data folder and try to write into it. Raises `CannotStart`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".write-probe"
        probe.write_text("ok")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"the data folder {folder.absolute()} cannot be written ({error.strerror}). "
            "Set CARTABLE_DATA_DIR to a folder on a disk that can be written."
        ) from error


def check_roots(path: Path | None) -> None:
    """Read the roots of attestations, if there are any. Raises `CannotStart`."""
    try:
        roots_in(path)
    except (OSError, ValueError) as error:
        raise CannotStart(f"CARTABLE_ATTESTATION_ROOTS names {path}, which is no PEM file of certificates ({error}).") from error


def check_port(host: str, port: int) -> None:
    """Try to bind the port. Raises `CannotStart` when it is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise CannotStart(f"this user may not listen on port {port}. Set CARTABLE_BIND_PORT to one above 1023.") from error
        except OSError as error:
            raise CannotStart(
                f"port {port} on {host} is taken ({error.strerror}). Is Cartable already running? "
                "Otherwise set CARTABLE_BIND_PORT to another port."
            ) from error


def lan_address() -> str:
    """The address under which this machine is seen on its network; `localhost` when it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: never routed; only picks the outgoing interface
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"


def with_public_address(settings: Settings) -> Settings:
    """Settle the address that tablets use, once: a tablet never accepts another one later.

    Order: `CARTABLE_PUBLIC_URL`; what an earlier run settled; this machine's address on its network.
    """
    if "public_url" in settings.model_fields_set:
        return settings
    kept = settings.data_dir / "public-url"
    if kept.exists():
        url = kept.read_text().strip()
    else:
        url = f"https://{lan_address()}:{settings.bind_port}"
        kept.write_text(url + "\n")
    return Settings.model_validate(settings.model_dump(exclude_unset=True) | {"public_url": url})


def host_names(settings: Settings) -> list[str]:
    """Every name and address that the server's TLS certificate must carry."""
    names = [urlsplit(settings.public_url).hostname or "localhost", "localhost", "127.0.0.1", socket.gethostname(), lan_address()]
    return list(dict.fromkeys(name for name in names if name))
