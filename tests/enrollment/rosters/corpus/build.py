"""Builders of files: text in any encoding, workbooks with every kind of cell, archives. Written from the formats, not from the readers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter

#: The historical header of a pupil extraction, with the space before `Cycle` of a real sample.
HISTORICAL = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;Commune2;Pays2; "
    "Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;Autorisation associations;Autorisation photo;Décision de "
    "passage"
)
OLDER = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;Commune2;Pays2;Cycle;"
    "Niveau;Classe;Attestation fournie;Autorisations associations;Autorisations photos;Décision de passage"
)
CUSTOM = (
    "Nom;Nom d’usage;Prénom;Deuxième prénom;Troisième prénom;Né(e) le;Commune naissance;Dépt naissance;Pays naissance;Date inscription;"
    "Etat;Intervenant;Directeur;Numéro INE;Niveau;Nom de la classe;Identifiant Classe;Regroupement(s);Dispositif(s);Couleur préférée"
)
GUARDIAN = (
    "Civilité Responsable;Nom usage responsable;Nom responsable;Prénom responsable;Adresse responsable;CP responsable;"
    "Commune responsable;Pays;Courriel;Téléphone domicile;Téléphone travail;Téléphone portable"
)
CHILD = "Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants"
PAIRS = f"Nom de famille élève;Prénom élève;Nom d'usage élève;Classes élèves;{GUARDIAN}"
OWN = "school_uai;class;level;last_name;first_name;take_home;inventory_tag"
STAFF = "school_uai;last_name;first_name;email;class;kind"


def historical_line(last: str, first: str, born: str = "14/03/2018", ine: str = "", grade: str = "CE1", label: str = "CE1 A",
               number: str = "101", usage: str = "") -> str:  # fmt: skip
    """One pupil's line of `HISTORICAL`, with what a real one holds in the columns that must fall."""
    return (
        f"{last};{usage};{first};{born};F;{ine};3 allée des Lilas;92140;CLAMART;FRANCE;;;;;CYCLE II;{grade};{label};{number};"
        "Oui;Non;Oui;"
    )


def custom_line(last: str, first: str, *, born: str = "14/03/2018", ine: str = "", groups: str = "", units: str = "") -> str:
    """One pupil's line of `CUSTOM`."""
    return (
        f"{last};;{first};Rose;;{born};CLAMART;092;FRANCE;01/09/2024;admis définitif;;Mme DIRECTRICE;{ine};CE1;CE1 A;101;{groups};"
        f"{units};bleu"
    )


def guardian_line(last: str, first: str, *children: tuple[str, str], mail: str = "", mobile: str = "") -> str:
    """One guardian with the children to the right."""
    child_cells = ";".join(f";{child_last};{child_first};CE1 A" for child_last, child_first in children)
    return f"MME;;{last};{first};3 allée des Lilas;92140;CLAMART;FRANCE;{mail};01 46 00 00 00;;{mobile};{child_cells}"


def build_csv(*rows: str, end: str = "\r\n", encoding: str = "cp1252") -> bytes:
    """A text file of these lines."""
    return "".join(row + end for row in rows).encode(encoding)


Cell = str | int | float | datetime | None


def build_workbook(
    rows: Sequence[Sequence[Cell]],
    *,
    hidden_first: bool = False,
    merged_title: str | None = None,
    formula_at: tuple[int, int, str, Cell] | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    """A workbook. `hidden_first`: a hidden sheet stands before; `merged_title`: a title over merged cells above the header;
    `formula_at`: (row, column, formula, the value that was computed); `extra`: other parts, such as macros.
    """
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        if hidden_first:
            hidden = book.add_worksheet("cache")
            hidden.write_row(0, 0, ["Liste", "cachée"])
            hidden.hide()
        page = book.add_worksheet("Élèves")
        page.activate()
        if hidden_first:
            page.set_first_sheet()
        dated = book.add_format({"num_format": "dd/mm/yyyy"})
        top = 0
        if merged_title is not None:
            page.merge_range(0, 0, 0, 5, merged_title)
            top = 2
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, datetime):
                    page.write_datetime(top + at, column, value, dated)
                elif value is not None:
                    page.write(top + at, column, value)
        if formula_at is not None:
            row_at, column, formula, value = formula_at
            page.write_formula(top + row_at, column, formula, None, value)
    return out.getvalue() if extra is None else _with(out.getvalue(), extra)


def _with(content: bytes, extra: Mapping[str, bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries: dict[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    return archive_of({**entries, **extra})


def archive_of(files: Mapping[str, str | bytes]) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def build_oneroster(uai: str, **changed: Any) -> bytes:
    """A bulk set of OneRoster 1.2 with three pupils of two classes, two adults, one guardian; `changed` replaces or (None) removes
    whole files, by name.
    """
    files: dict[str, str | bytes | None] = {
        "manifest.csv": "propertyName,value\r\nmanifest.version,1.0\r\noneroster.version,1.2\r\nfile.orgs,bulk\r\nfile.users,bulk\r\n"
        "source.systemName,Autre\r\n",
        "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\r\nv,,,Ville,district,,\r\n"
        f"e,,,École,school,{uai},v\r\n",
        "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
        "termSourcedIds,subjects,subjectCodes,periods,metadata.salle\r\nc1,,,CE1 A,CE1,k,,homeroom,,e,a,,,,12\r\n"
        'c2,,,CE1-CE2,"CE1,CE2",k,,homeroom,,e,a,,,,\r\n',
        "users.csv": "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
        "phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,preferredMiddleName,"
        "preferredFamilyName,primaryOrgSourcedId,pronouns,metadata.regime\r\n"
        "p1,,,true,p1,,Zoé,EL HADJ,Rose,,,,0102030405,g1,CE1,secret,,,,,,e,,externe\r\n"
        "p2,,,true,p2,{INE:123456789AB},A,NGUYEN,,,,,,,CE2,,,,,,,e,,\r\n"
        "p3,,,true,p3,,Élise-Anaïs,D'ARTAGNAN-LE GOFF,,,,,,g1,CE1,,,,,,GOFF,e,,\r\n"
        "t1,,,true,t1,,Paul,DURAND,,,paul@ecole.example,,,,,,,,,,,e,,\r\n"
        "t2,,,true,t2,,Inès,LE BIHAN,,,,,,,,,,,,,,e,,\r\n"
        "g1,,,true,g1,,Nadia,EL HADJ,,,nadia@home.example,,,,,,,,,,,e,,\r\n",
        "roles.csv": "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\r\n"
        "r1,,,p1,primary,student,,,e,\r\nr2,,,p2,primary,student,,,e,\r\nr3,,,p3,primary,student,,,e,\r\nr4,,,t1,primary,teacher,,,e,\r\n"
        "r5,,,t2,primary,aide,,,e,\r\nr6,,,g1,primary,guardian,,,e,\r\n",
        "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\r\n"
        "i1,,,c1,e,p1,student,false,,\r\ni2,,,c2,e,p2,student,false,,\r\ni3,,,c2,e,p3,student,false,,\r\ni4,,,c1,e,t1,teacher,true,,\r\n"
        "i5,,,c2,e,t1,teacher,false,,\r\ni6,,,c2,e,t2,aide,false,,\r\n",
        "demographics.csv": "sourcedId,status,dateLastModified,birthDate,sex\r\np1,,,2018-03-14,female\r\n",
    }
    files |= {f"{name}.csv": content for name, content in changed.items()}
    return archive_of({name: content for name, content in files.items() if content is not None})
