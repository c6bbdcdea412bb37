"""Generates the roster files of an invented town: 12 schools with about 4 000 pupils, in ONDE's format, always the same. Importing them
is the caller's task.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from enrollment.places.rules import compute_uai_check_letter

TOWN_NAME, TOWN_SLUG, TAG_PREFIX = "Valmont-sur-Seille", "valmont", "VAL"
SCHOOLS = ("Jules-Verne", "Louise-Michel", "Les Tilleuls", "Jean-Moulin", "Marie-Curie", "Pierre-Brossolette", "Les Closiaux",
           "Jacques-Prévert", "Simone-Veil", "La Fontaine", "Rosa-Parks", "Charles-Péguy")  # fmt: skip
_LAST = ("MARTIN", "BERNARD", "DUBOIS", "D'ARTAGNAN-LE GOFF", "EL HADJ", "NGUYEN", "PETIT", "DURAND", "LEROY", "MOREAU", "DIALLO",
         "BEN SALAH", "DA SILVA", "GARCIA", "ROUX", "FOURNIER", "KAYA", "TRAORÉ", "LEFÈVRE", "DE LA TOUR", "CHEN", "KOWALSKI",
         "SY", "MERCIER", "BLANC", "GUÉRIN", "BOYER", "RAKOTO", "FAURE", "ANDRÉ", "O'BRIEN", "HADDAD", "PEREIRA", "LÊ")  # fmt: skip
_FIRST = ("Élise-Anaïs", "Zoé", "A", "Gabriel", "Louise", "Adam", "Jade", "Raphaël", "Inès", "Léo", "Chloé", "Noé", "Lina", "Théo",
          "Maëlys", "Ibrahim", "Awa", "Sacha", "Mila", "Éden", "Yanis", "Ambre", "Côme", "Sofia", "Malo", "Aya", "Jean-Baptiste",
          "Nour", "Timéo", "Agathe")  # fmt: skip
_GRADES = ("CP", "CE1", "CE2", "CM1", "CM2")
_HEADER = ("Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;Commune2;"
           "Pays2; Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;Autorisation associations;"
           "Autorisation photo;Décision de passage")  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One school's file, as a head teacher would download it from ONDE."""

    uai: str
    school_name: str
    filename: str
    content: bytes


def generate_files(seed: int = 2026) -> list[DemoFile]:
    """Return the twelve files. Every third is in Windows-1252, the others in UTF-8 with a BOM."""
    dice = random.Random(seed)  # noqa: S311 - invented people, not secrets
    demo_files = []
    for number, name in enumerate(SCHOOLS):
        digits = f"{929100 + number:07d}"
        text = "\r\n".join([_HEADER, *_pupil_lines(dice, number)]) + "\r\n"
        content = text.encode("cp1252", errors="replace") if number % 3 == 0 else text.encode("utf-8-sig")
        demo_files.append(
            DemoFile(digits + compute_uai_check_letter(digits), f"École élémentaire {name}", "CSVExtraction.csv", content)
        )
    return demo_files


def _pupil_lines(dice: random.Random, school: int) -> list[str]:
    lines: list[str] = []
    classes = [(grade, suffix) for grade in _GRADES for suffix in "AB"] + [("CE1-CE2", "C"), ("CM1-CM2", "C"), ("ULIS", "")]
    for index, (kind, suffix) in enumerate(classes):
        size = dice.randint(24, 28) if kind != "ULIS" else 11
        for place in range(size):
            grade = _pick_grade(dice, kind, place, size)
            lines.append(
                _pupil_line(dice, grade, f"{kind} {suffix}".strip(), 1000 * (school + 1) + index, len(lines) + 1000 * school)
            )
    return lines


def _pick_grade(dice: random.Random, kind: str, place: int, size: int) -> str:
    if kind == "ULIS":
        return dice.choice(_GRADES)
    low, _, high = kind.partition("-")
    return high if high and place >= size * 0.42 else low


def _pupil_line(dice: random.Random, grade: str, label: str, class_id: int, number: int) -> str:
    last, first = dice.choice(_LAST), dice.choice(_FIRST)
    usage = dice.choice(_LAST) if dice.random() < 0.05 else ""
    year = 2020 - _GRADES.index(grade)
    born = f"{dice.randint(1, 28):02d}/{dice.randint(1, 12):02d}/{year}"
    letters = dice.choice("ABCDEFGHJK") + dice.choice("ABCDEFGHJK")
    ine = f"{number:010d}{letters[0]}" if number % 2 else f"{number:09d}{letters}"
    street = f"{dice.randint(1, 90)} rue des Lilas"
    cycle = "CYCLE III" if grade in ("CM1", "CM2") else "CYCLE II"
    return ";".join([last, usage, first, born, dice.choice("MF"), ine, street, "92999", "VALMONT", "FRANCE", "", "", "", "", cycle,
                     grade, label, str(class_id), "Oui", "Non", "Oui", ""])  # fmt: skip
