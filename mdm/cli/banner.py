"""The text that `make run` prints once the server listens: the link to open, why the browser warns, a tablet's QR code, what is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from enrollment.joining import qr


@dataclass(frozen=True, slots=True)
class BannerFacts:
    """What the banner shows. `sign_in_url` works once, until the first account has a password; `fingerprint` is that of the server's own
    certificate, without one browsers do not warn; `join_url` lets a tablet enroll in the demonstration town, if there is one.
    """

    url: str
    sign_in_url: str | None
    fingerprint: str | None
    join_url: str | None
    simulated_push: bool
    simulated_tablets: int
    resolver_url: str


def render_banner(facts: BannerFacts) -> str:
    """Return the banner in French and English."""
    lines = ["", "  Cartable est prêt. / Cartable is ready.", "", f"  Ouvrez / open:  {facts.sign_in_url or facts.url + '/'}", ""]
    if facts.sign_in_url:
        lines += [
            "  Ce lien sert une fois : vous y choisissez votre mot de passe. / This link works once: you choose your password there.",
            "",
        ]
    if facts.fingerprint:
        lines += [
            "  Le navigateur avertira, c'est normal : le certificat est fait par ce serveur, personne d'autre ne le connaît encore.",
            "  Continuez si l'empreinte SHA-256 qu'il montre est celle-ci. / The browser will warn, and that is expected: this server made",
            "  its own certificate. Go on if the SHA-256 fingerprint that it shows is this one:",
            *(f"  {facts.fingerprint[start : start + 48].rstrip(':')}" for start in range(0, len(facts.fingerprint), 48)),
            "",
        ]
    if facts.join_url:
        lines += [
            "  Une vraie tablette sur ce réseau : scannez, puis installez le profil. / A real iPad on this network: scan, then install.",
            f"  {facts.join_url}",
            "",
            *("    " + line for line in qr.render_terminal(facts.join_url).splitlines()),
            "",
        ]
    if facts.simulated_push:
        lines += [
            "  Réveil des tablettes : aucun certificat APNs d'Apple n'est installé. Un serveur APNs de démonstration le remplace",
            "  et ne réveille que les tablettes simulées. Un vrai iPad s'inscrit mais n'est réveillé qu'avec `python -m mdm push-import`.",
            "  Waking tablets: no APNs certificate from Apple is installed. A demonstration APNs server stands in and wakes simulated",
            "  tablets only. A real iPad enrols, but is woken only after `python -m mdm push-import` (docs/operator/README.md).",
            "",
        ]
    if facts.resolver_url:
        lines += [f"  Résolveur filtrant / filtering resolver: {facts.resolver_url}", ""]
    else:
        lines += [
            "  Filtrage du web : seul le filtre intégré d'iPadOS agit ; listes et catégories demandent `make run DNS=1`.",
            "  Web filter: only the one built into iPadOS acts; lists and categories need `make run DNS=1` (docs/operator/resolver.en.md).",
            "",
        ]
    if facts.simulated_tablets:
        count = facts.simulated_tablets
        lines += [f"  {count} tablettes simulées d'une classe s'inscrivent. / {count} simulated tablets of one class enrol.", ""]
    lines.append("  Ctrl+C arrête tout ; les données restent. / Ctrl+C stops everything; the data stay.")
    return "\n".join(lines) + "\n"
