"""Roster files for tests, in every shape that schools send: real headers, invented people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

import xlsxwriter

ONDE = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;Commune2;Pays2;"
    " Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;Autorisation associations;Autorisation photo;"
    "Décision de passage"
)
OLD_ONDE = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;Adresse1;Cp1;Commune1;Pays1;Cycle;Niveau;Classe;"
    "Attestation fournie;Autorisations associations;Autorisations photos"
)
SHORT = "Nom;Prénom;Né(e) le;Niveau;Nom de la classe;Identifiant National Élève;Regroupement(s);Dispositif(s);Directeur"
GUARDIANS = (
    "Civilité Responsable;Nom usage responsable;Nom responsable;Prénom responsable;Adresse responsable;CP responsable;"
    "Commune responsable;Pays;Courriel;Téléphone domicile;Téléphone travail;{desk}Téléphone portable;"
)
CHILD = "Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants"
PAIRS = (
    "Nom de famille élève;Prénom élève;Nom d'usage élève;Classes élèves;Civilité Responsable;Nom usage responsable;"
    "Nom responsable;Prénom responsable;Adresse responsable;CP responsable;Commune responsable;Pays;Courriel;"
    "Téléphone domicile;Téléphone travail;Téléphone portable"
)
OWN = "school_uai;class;level;last_name;first_name;take_home;inventory_tag"
STAFF = "school_uai;last_name;first_name;email;class;kind"


def text_file(header: str, *lines: str, encoding: str = "cp1252", end: str = "\r\n") -> bytes:
    """A CSV file as a browser downloads it."""
    return (end.join([header, *lines]) + end).encode(encoding)


def sheet_file(header: str, *lines: str) -> bytes:
    """The same as a workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for row, line in enumerate([header, *lines]):
            for column, cell in enumerate(line.split(";")):
                sheet.write_string(row, column, cell)
    return out.getvalue()


def zip_file(files: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def onde_line(last: str, first: str, *, usage: str = "", born: str = "01/02/2018", ine: str = "", grade: str = "CE1",
              label: str = "CE1  A", number: str = "77", forbidden: str = "x", decision: str = "") -> str:  # fmt: skip
    """One line of `ONDE`; every column that must not be kept holds `forbidden`."""
    return ";".join([last, usage, first, born, forbidden, ine, *[forbidden] * 8, "CYCLE II", grade, label, number,
                     *[forbidden] * 3, decision])  # fmt: skip


def build_oneroster(
    uai: str, *, version: str = "1.2", folder: str = "", forbidden: str = "x", extra: Sequence[tuple[str, str]] = ()
) -> bytes:
    """A small school: CE1 A with two pupils and a teacher, one guardian; version 1.1 or 1.2."""
    new = version == "1.2"
    users = [
        ("u1", "Zoé", "EL HADJ", "student", "CE1", "g1", "", "1234567890A"),
        ("u2", "A", "NGUYEN", "student", "CE1", "", "", ""),
        ("u3", "Paul", "DURAND", "teacher", "", "", "paul.durand@ecole.example", ""),
        ("g1", "Nadia", "EL HADJ", "guardian" if new else "parent", "", "", "nadia@home.example", ""),
        ("x1", "Robot", "SYSTEM", "systemAdministrator", "", "", "", ""),
    ]
    if new:
        head = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
        lines = [f'{i},,,true,{forbidden},,{first},{last},{forbidden},{ine},{mail or forbidden},{forbidden},{forbidden},"{agents}",{grade},{forbidden}'
                 for i, first, last, _, grade, agents, mail, ine in users]  # fmt: skip
    else:
        head = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agents,grades,password"
        lines = [f'{i},,,true,o1,{role},{forbidden},,{first},{last},{forbidden},{ine},{mail or forbidden},{forbidden},{forbidden},"{agents}",{grade},{forbidden}'
                 for i, first, last, role, grade, agents, mail, ine in users]  # fmt: skip
    files = {
        "manifest.csv": f"propertyName,value\nmanifest.version,1.0\noneroster.version,{version}\nfile.users,bulk\n",
        "orgs.csv": f"sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\nt1,,,Ville,district,,\no1,,,École,school,{uai},t1\n",
        "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds\n"
        "c1,,,CE1 A,CE1,,,homeroom,,o1,\n",
        "users.csv": "\n".join([head, *lines]) + "\n",
        "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
        "e1,,,c1,o1,u1,student,,,\ne2,,,c1,o1,u2,student,,,\ne3,,,c1,o1,u3,teacher,true,,\n",
        "demographics.csv": f"sourcedId,status,dateLastModified,birthDate,sex\nu1,,,2018-02-01,{forbidden}\n",
    }
    if new:
        roles = [f"r{at},,,{user[0]},primary,{user[3]},,,o1," for at, user in enumerate(users)]
        files["roles.csv"] = "\n".join(
            ["sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId", *roles]
        ) + "\n"  # fmt: skip
    return zip_file({folder + name: content for name, content in {**files, **dict(extra)}.items()})
