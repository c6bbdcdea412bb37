"""The certificate that the resolver shows: a copy of the configured one, or of the server's own, taken anew when it is renewed."""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path

import structlog

from cartable.private_files import write_secret
from cartable.settings import Settings
from enrollment.identity.tls import get_server_files

log = structlog.get_logger()


def get_resolver_files(settings: Settings) -> tuple[Path, Path]:
    """Return the paths of chain and key for the resolver's host name."""
    if settings.resolver_certificate and settings.resolver_key:
        return settings.resolver_certificate, settings.resolver_key
    return get_server_files(settings)


class CertificateCopy:
    """Chain and key in the resolver's folder, and beside them a mark that changes with them: dnsdist reads both again when it does."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._chain, self._key = get_resolver_files(settings)
        self._folder = folder
        self._read_at: tuple[int, int] | None = None

    def refresh(self) -> str | None:
        """Copy chain and key when they changed and belong together. Returns why they cannot be used, or None: the last copy stays."""
        try:
            changed_at = (self._chain.stat().st_mtime_ns, self._key.stat().st_mtime_ns)
            if changed_at == self._read_at:
                return None
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
            chain, key = self._chain.read_bytes(), self._key.read_bytes()
        except (OSError, ssl.SSLError) as error:
            return f"certificate {self._chain}: {error}"
        write_secret(self._folder / "tls.key", key)
        write_secret(self._folder / "tls.pem", chain)
        write_secret(self._folder / "certificate-mark", sha256(chain + key).hexdigest().encode() + b"\n")
        self._read_at = changed_at
        log.info("resolver.certificate_taken", file=str(self._chain))
        return None
