"""The text that `make run` prints once the server listens: address, sign-in, enrollment of a tablet, and what is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from enrollment.joining import qr


@dataclass(frozen=True, slots=True)
class BannerFacts:
    """What the banner shows. `password` is set at the first start only."""

    url: str
    login: str
    password: str | None
    join_url: str
    simulated_push: bool
    simulated_tablets: int


def render_banner(facts: BannerFacts) -> str:
    """Return the banner in French and English."""
    password = facts.password or "(celui que vous avez choisi / the one you chose)"
    lines = [
        "",
        "  Cartable est prêt. / Cartable is ready.",
        "",
        f"  Console      {facts.url}/",
        f"  API          {facts.url}/api/docs",
        f"  Identifiant  {facts.login}",
        f"  Mot de passe {password}" + ("   (à usage unique / one-time)" if facts.password else ""),
        "",
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
    if facts.simulated_tablets:
        count = facts.simulated_tablets
        lines += [f"  {count} tablettes simulées d'une classe s'inscrivent. / {count} simulated tablets of one class enrol.", ""]
    lines.append("  Ctrl+C arrête tout ; les données restent. / Ctrl+C stops everything; the data stay.")
    return "\n".join(lines) + "\n"
