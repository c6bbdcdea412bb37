"""What `make run` says once the server listens: where, how to sign in, how a tablet joins, what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from enrollment.joining import qr


@dataclass(frozen=True, slots=True)
class Welcome:
    """The facts of the banner. `password` is set only the first time."""

    url: str
    login: str
    password: str | None
    join_url: str
    simulated_push: bool
    simulated_tablets: int


def text(welcome: Welcome) -> str:
    """Return the banner, French first."""
    password = welcome.password or "(celui que vous avez choisi / the one you chose)"
    lines = [
        "",
        "  Cartable est prêt. / Cartable is ready.",
        "",
        f"  Console      {welcome.url}/",
        f"  API          {welcome.url}/api/docs",
        f"  Identifiant  {welcome.login}",
        f"  Mot de passe {password}" + ("   (à usage unique / one-time)" if welcome.password else ""),
        "",
        "  Une vraie tablette sur ce réseau : scannez, puis installez le profil. / A real iPad on this network: scan, then install.",
        f"  {welcome.join_url}",
        "",
        *("    " + line for line in qr.render_terminal(welcome.join_url).splitlines()),
        "",
    ]
    if welcome.simulated_push:
        lines += [
            "  Réveil des tablettes : aucun certificat APNs d'Apple n'est installé. Un serveur APNs de démonstration le remplace",
            "  et ne réveille que les tablettes simulées. Un vrai iPad s'inscrit mais n'est réveillé qu'avec `python -m mdm push-import`.",
            "  Waking tablets: no APNs certificate from Apple is installed. A demonstration APNs server stands in and wakes simulated",
            "  tablets only. A real iPad enrols, but is woken only after `python -m mdm push-import` (docs/operator/README.md).",
            "",
        ]
    if welcome.simulated_tablets:
        count = welcome.simulated_tablets
        lines += [f"  {count} tablettes simulées d'une classe s'inscrivent. / {count} simulated tablets of one class enrol.", ""]
    lines.append("  Ctrl+C arrête tout ; les données restent. / Ctrl+C stops everything; the data stay.")
    return "\n".join(lines) + "\n"
