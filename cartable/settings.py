"""The settings of the server, typed, from the environment (`CARTABLE_…`) or a `.env` file. No domain data."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Acme(StrEnum):
    """Whether tablets that can attest their keys are given an ACME payload instead of a SCEP one (ADR 0024)."""

    OFF = "off"
    """SCEP only; the ACME URLs do not exist."""
    OFFERED = "offered"
    """A key with a missing or invalid attestation also gets a certificate, marked as not attested."""
    REQUIRED = "required"
    """ACME issues no certificate without a valid attestation. Tablets that cannot attest still use SCEP."""


class SecondFactorPolicy(StrEnum):
    """Whether people who may erase or govern must have a second factor."""

    REQUIRED = "required"
    """Whoever may erase or govern sets one up at the first sign-in. The demonstration town is exempt."""
    OFFERED = "offered"
    """Nobody is made to; whoever has one gives it at each sign-in."""


class AccessibilityLevel(StrEnum):
    """What an audit has found of the console, in the terms of the French accessibility reference (RGAA 4.1)."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"
    """Only for a mail server on the same machine."""


class Settings(BaseSettings):
    """The server's settings. `docs/operator/settings.md` explains each of them to operators."""

    model_config = SettingsConfigDict(
        env_prefix="CARTABLE_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(Path("data"), description="Folder of the embedded database, the keys and uploads.")
    database_url: str = Field(
        "",
        repr=False,  # it contains a password
        description="SQLAlchemy URL, e.g. postgresql+psycopg://user:password@host/cartable. Empty: SQLite in the data folder.",
    )
    database_pooler: bool = Field(
        False, description="The database is reached through PgBouncer in transaction mode: no prepared statements are used."
    )
    read_database_url: str = Field(
        "",
        repr=False,  # it contains a password
        description="SQLAlchemy URL of a streaming standby of the same PostgreSQL: exports are read from it while it is at most 30 "
        "seconds behind. Empty: there is none.",
    )
    broker_url: str = Field(
        "memory://",
        repr=False,
        description="Celery broker, e.g. redis://host:6379/0; then workers are processes of their own. "
        "memory:// runs one inside the server.",
    )
    public_url: str = Field(
        "https://localhost:8443",
        description="The https address that is written into every enrollment profile. It can never change: a tablet refuses an update "
        "with another address.",
    )
    bind_host: str = Field("0.0.0.0", description="Address on which the server listens.")  # noqa: S104 - tablets on the network must reach it
    bind_port: int = Field(8443, ge=0, le=65535, description="Port on which the server listens.")
    tls_certificate: Path | None = Field(
        None, description="PEM chain; empty: made by the embedded CA. With a public certificate tablets need no extra CA."
    )
    tls_key: Path | None = Field(None, description="PEM of the key of that certificate.")
    profile_certificate: Path | None = Field(
        None,
        description="PEM chain of a certificate that signs profiles; empty: made by the embedded CA. With one that Apple's devices trust, "
        "iPads show Verified.",
    )
    profile_key: Path | None = Field(None, description="PEM of the key of that certificate, RSA or elliptic.")
    serve_tls: bool = Field(True, description="False: plain HTTP, only behind a proxy that ends TLS.")
    web_workers: int = Field(1, ge=1, le=64, description="Server processes; more than one needs a broker and PostgreSQL.")
    connections_per_address: int = Field(
        2000,
        ge=1,
        description="Connections of one address at most. A school's tablets share one; trusted proxies have a thousand times as many.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks (CIDR, separated by commas) of proxies that end TLS and may pass Client-Cert. Only the proxy's own address: "
        "whoever is listed can speak for any tablet.",
    )
    master_key_file: Path | None = Field(
        None,
        description="32 random bytes or more; empty: secrets/master.key in the data folder. Losing it loses what is encrypted.",
    )
    audit_anchor_dir: Path | None = Field(
        None,
        description="Folder of the anchors of the audit trail; empty: audit-anchors in the folder of the secrets. Best on a disk "
        "that the database server cannot write.",
    )
    audit_syslog: str = Field(
        "", description="host:port (UDP) or path of a syslog socket that gets each anchor of the audit trail; empty: none."
    )
    audit_webhook: str = Field(
        "",
        description="Address that gets the daily root of the audit trail by POST (Standard Webhooks), such as one of the towns; empty: none.",
    )
    audit_webhook_secret: str = Field(
        "",
        repr=False,
        description="Secret (whsec_ and base64) that signs what CARTABLE_AUDIT_WEBHOOK gets; empty: it is not signed.",
    )
    organisation: str = Field("Cartable", description="The name that families read.")
    apns_url: str = Field("https://api.push.apple.com:443", description="APNs, or a test server.")
    apns_ca: Path | None = Field(None, description="PEM of the CA of a test APNs; empty: public roots.")
    push_per_second: int = Field(
        300, ge=1, description="Pace of pushes of the whole installation; urgent ones do not wait for it."
    )
    scep_allow_single_des: bool = Field(
        True, description="Accept the single-DES envelopes of old SCEP clients; never for renewals."
    )
    scep_allow_rsa1024: bool = Field(False, description="Accept RSA keys of 1024 bits, for old simulators only.")
    allow_other_devices: bool = Field(
        False,
        description="Let devices enroll that say they are no iPad, or one with a system that is too old; they are marked. For "
        "simulators: mdmb says that it is a Mac.",
    )
    sign_profiles: bool = Field(
        True,
        description="Sign configuration profiles. False: for simulators that cannot open CMS, set before the first profile; real "
        "tablets then show Not Signed.",
    )
    certificate_days: int = Field(
        398, ge=2, le=3650, description="Life of a device certificate in days; renewed from two thirds on."
    )
    challenge_minutes: int = Field(60, ge=1, le=10080, description="Minutes in which a downloaded profile can be installed.")
    acme: Acme = Field(
        Acme.OFF,
        description="Attested identities by ACME for tablets that can prove their keys: off, offered, required. Under required a tablet that "
        "is enrolled twice in a week may be refused.",
    )
    attestation_roots: Path | None = Field(
        None,
        validate_default=True,
        description="PEM of the roots of attestations: Apple Enterprise Attestation Root CA. Empty: nothing is attested.",
    )
    apps_and_books_url: str = Field(
        "https://vpp.itunes.apple.com/mdm/v2", description="Apple's licence service, or a test server."
    )
    device_assignment_url: str = Field(
        "https://mdmenrollment.apple.com", description="Apple's device-assignment service, or a test server."
    )
    organisation_url: str = Field("", description="Apple School (or Business) Manager API; empty: Apple's, by the kind of key.")
    organisation_token_url: str = Field(
        "https://account.apple.com/auth/oauth2/token", description="Where that API's access tokens come from, or a test server."
    )
    second_factor: SecondFactorPolicy = Field(
        SecondFactorPolicy.REQUIRED,
        description="Second factors (TOTP, passkeys): required of people who may erase or govern, or only offered.",
    )
    allow_private_addresses: bool = Field(
        False,
        description="Let identity providers and webhooks that towns enter have addresses in private networks, also by plain http. Otherwise "
        "whoever governs a town could make this server call what only it can reach.",
    )
    token_minutes: int = Field(
        60,
        ge=1,
        description="Minutes until a token of a program ends, and until a person in the console who does nothing is signed out.",
    )
    session_hours: int = Field(12, ge=1, description="Hours after which a person in the console signs in again, however busy.")
    hsts_days: int | None = Field(
        None,
        ge=0,
        description="Days for which browsers refuse anything but valid HTTPS (HSTS). Empty: 365, but 0 with a certificate of the embedded CA.",
    )
    minimum_os: str = Field(
        "",
        pattern=r"^(\d{1,3}(\.\d{1,3}){0,2})?$",
        description="iPadOS that a tablet must have to enroll automatically; empty: any. Only a version that Apple offers for the model: "
        "with another the tablet cannot enroll.",
    )
    device_anchors: Path | None = Field(
        None,
        description="PEM of further CAs of factory certificates beside Apple's own. Whoever has such a key can speak as any tablet of the inventory.",
    )
    wifi_profile: Path | None = Field(
        None, description="Configuration profile of the schools' Wi-Fi, for cart tablets that erase themselves and come back."
    )
    declarative_from: str = Field(
        "17.0",
        description="iPadOS from which policy goes out as declarations, once a tablet has proved that it applies them; empty: never.",
    )
    profile_payloads: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Payload types that go by InstallProfile even to tablets that apply declarations, e.g. com.apple.webcontent-filter,com.apple.wifi.managed",
    )
    declarative_apps: bool = Field(False, description="Deliver apps by declaration (app.managed) instead of commands.")
    signer_socket: Path | None = Field(
        None,
        description="Unix socket of `cartable signer`, which has the key of the device CA instead of the web process. Empty: the key is "
        "sealed in the database.",
    )
    signer_key_file: Path | None = Field(
        None,
        description="Of `cartable signer` alone: the file that its copy of the key is sealed with. Sealed key and log stand beside it.",
    )
    signer_allowed_uid: int | None = Field(
        None, ge=0, description="Number of the user who may ask `cartable signer`, that of the web process; empty: its own user."
    )
    signer_per_minute: int = Field(
        600, ge=1, description="Certificates that `cartable signer` signs in a minute at most; more is refused and logged."
    )
    resolver_url: str = Field(
        "",
        pattern=r"^(https://[^/?#]+)?$",
        description="https address at which tablets reach the town's DNS resolver, e.g. https://dns.example.org. Empty: there is none, and "
        "tablets have the built-in filter alone.",
    )
    resolver_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="IP addresses of the resolver, separated by commas; two for two machines. With them a tablet reaches it without asking "
        "another resolver.",
    )
    filter_lists_url: str = Field(
        "",
        pattern=r"^((https?|rsync)://.+)?$",
        description="Archive of filter lists in UT1's format that towns may have fetched every day, by https or rsync: a mirror of your own, or that of the University "
        "of Toulouse (its lists are CC BY-SA 4.0). Empty: lists are imported by hand.",
    )
    filter_lists_checksum_url: str = Field(
        "", pattern=r"^((https?|rsync)://.+)?$", description="File with the SHA-256 of that archive; empty: it is not compared."
    )
    filter_lists_max_megabytes: int = Field(256, ge=1, description="Megabytes that the archive of filter lists may have.")
    always_open_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Host names (separated by commas) that the resolver opens in every mode, whatever places and lists say, beside this "
        "server's own and those of Apple that tablets need. Hosts below them are open too.",
    )
    resolver_host: str = Field("0.0.0.0", description="Address on which the resolver listens for DNS over HTTPS.")  # noqa: S104 - tablets
    resolver_port: int = Field(8453, ge=0, le=65535, description="Port on which the resolver listens for DNS over HTTPS; 0: any.")
    resolver_certificate: Path | None = Field(
        None,
        description="PEM chain of the resolver's host name; empty: the server's own certificate, which must then name that host.",
    )
    resolver_key: Path | None = Field(None, description="PEM of the key of that certificate.")
    resolver_blocked_address: str = Field(
        "",
        description="IP address that blocked names lead to, where a page explains it. Empty: blocked names do not exist (NXDOMAIN), which "
        "browsers show at once.",
    )
    resolver_check_host: str = Field(
        "",
        pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+)?$",
        description="Host name that only the resolver knows, e.g. check.dns.example.org: it leads tablets to this server, and the page /check "
        "sees by it whether the resolver answers them. The server's certificate must name it, and public DNS must not. Empty: /check "
        "explains and tries nothing.",
    )
    resolver_forward_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Resolvers (IP addresses, @port where it is not 53) that are asked for open names. Empty: the name servers of the "
        "internet themselves.",
    )
    resolver_include: Path | None = Field(
        None, description="File with further settings of Unbound, such as zones of the town's own network."
    )
    accessibility_level: AccessibilityLevel = Field(
        AccessibilityLevel.NONE,
        description="What the accessibility statement declares: none (not compliant, or no audit was made), partial, full.",
    )
    accessibility_contact: str = Field("", description="Mail address or phone number in the accessibility statement.")
    accessibility_plan_url: str = Field("", description="Address of the multi-year accessibility plan; empty: not published yet.")
    smtp_host: str = Field("", description="Mail server for alarms; empty: no mail is sent.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server: 587 with STARTTLS, 465 with TLS.")
    smtp_security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS, description="starttls, tls, or none for a server on the same machine."
    )
    smtp_user: str = Field("", description="Login at the mail server; empty: none.")
    smtp_password: str = Field("", repr=False, description="Password at the mail server.")
    smtp_ca: Path | None = Field(None, description="PEM of the CA of the mail server's certificate; empty: public roots.")
    mail_from: str = Field("cartable@localhost", description="Sender of mails.")
    alarm_emails: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Mail addresses (separated by commas) that get every alarm of every town and of the server. They should lie outside this "
        "system, so that they can be read when it is in the wrong hands.",
    )
    metrics_token: str = Field(
        "", repr=False, description="Bearer token for `/metrics` (Prometheus). Empty: there is no such page."
    )
    log_json: bool = Field(False, description="Write one JSON object per log line.")

    @field_validator(
        "trusted_proxies",
        "profile_payloads",
        "alarm_emails",
        "resolver_addresses",
        "resolver_forward_to",
        "always_open_hosts",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("resolver_addresses", "resolver_forward_to")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            ip_address(part.partition("@")[0])
        return value

    @field_validator("resolver_blocked_address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        return str(ip_address(value)) if value else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            ip_network(part, strict=False)
        return value

    @field_validator("attestation_roots")
    @classmethod
    def _require_attestation_roots(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("acme") is Acme.REQUIRED:
            raise ValueError("CARTABLE_ACME=required needs attestation roots: without one no attestation is valid")
        return value

    @field_validator("public_url")
    @classmethod
    def _require_https(cls, value: str) -> str:
        if not value.startswith("https://"):
            raise ValueError("public_url must begin with https://: tablets accept nothing else")
        return value.rstrip("/")

    @cached_property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies as networks."""
        return tuple(ip_network(part, strict=False) for part in self.trusted_proxies)

    @property
    def effective_database_url(self) -> str:
        """The URL of the configured database, or of the embedded SQLite file."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'cartable.db').absolute()}"

    @property
    def hsts_seconds(self) -> int:
        """For how long browsers shall refuse anything but valid HTTPS; 0: the header is not sent.

        No browser knows the embedded CA: with HSTS nobody could pass its warning.
        """
        has_public_certificate = self.tls_certificate is not None or not self.serve_tls
        days = self.hsts_days if self.hsts_days is not None else 365 if has_public_certificate else 0
        return days * 86400

    @property
    def secrets_dir(self) -> Path:
        """The folder of keys, which only the server's user can read."""
        return self.data_dir / "secrets"

    @property
    def embedded_worker(self) -> bool:
        """Whether the worker and the scheduler run inside the web server, without a broker."""
        return self.broker_url.startswith("memory:")
