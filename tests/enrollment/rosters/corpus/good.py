"""Files that must be read, each with how many people of each kind it brings and what must be told of its lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tests.enrollment.rosters.corpus.build import (
    CHILD,
    CUSTOM,
    GUARDIAN,
    HISTORICAL,
    OLDER,
    OWN,
    PAIRS,
    STAFF,
    Cell,
    archive_of,
    custom,
    guardian,
    historical_line,
    lines,
    oneroster,
    sheet,
)


@dataclass(frozen=True)
class Good:
    """A file (for a school's UAI), what it brings to an empty school, and what else must be true of the preview.

    `told`: last name → reasons of its line. `before`: a file that is imported first.
    """

    name: str
    content: Callable[[str], bytes]
    new: int
    guardians: int = 0
    staff: int = 0
    skipped: int = 0
    told: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    before: Callable[[str], bytes] | None = None
    same_names: tuple[str, ...] = ()


TWINS = (
    historical_line("MARTIN", "Martin", "05/06/2018", "1234567890A"),
    historical_line("MARTIN", "Martine", "05/06/2018", "123456789AB"),
)
PEOPLE = (
    *TWINS,
    historical_line("D'ARTAGNAN-LE GOFF", "Élise-Anaïs", "01/01/2018"),
    historical_line("EL HADJ", "Zoé", "28/02/2018", usage="BEN ALI"),
    historical_line("NGUYEN", "A", "29/02/2016"),
    historical_line("DE LA TOUR", "", "12/12/2017"),
    historical_line("ŒUVRARD", "Noël-Loïs", "12/12/2017", label="CLASSE  CE1", number="102"),
)
ORDINARY = lines(HISTORICAL, *PEOPLE)


def fixed(content: bytes) -> Callable[[str], bytes]:
    """A file that does not name its school."""
    return lambda _uai: content


def _split(row: str) -> list[Cell]:
    return list(row.split(";"))


def _typed() -> bytes:
    """As a spreadsheet types it: a date, a date without its format (a serial number), a number for the class."""
    first, second = _split(historical_line("SERIAL", "Ana")), _split(historical_line("DATE", "Bob"))
    first[3], second[3] = 43173, datetime(2018, 3, 14)  # noqa: DTZ001 - spreadsheets know no zones
    first[17] = second[17] = 101
    return sheet([_split(HISTORICAL), first, second])


def _damaged() -> bytes:
    rows = [
        historical_line("MARS", "Lila", ine="1,23457E+10"),
        historical_line("12/05/2026", "Lou"),
        historical_line("LEGRAND", "mai-12"),
        historical_line("PETIT", "Max", born="43173"),
        historical_line("GRAS", "Ida", born="31/02/2018"),
        historical_line("YVON", "Ely", born="14/03/18"),
        historical_line("ROUX", "Eva", born="14/03/2018 00:00:00"),
    ]
    return lines(HISTORICAL, *(row + ";;;" for row in rows), ";" * 21, ";" * 21)


def _workbook_of_a_secretary() -> bytes:
    return sheet(
        [_split(HISTORICAL), *(_split(row) for row in PEOPLE)],
        hidden_first=True,
        merged_title="École Jules-Verne : liste des élèves au 23/11/2026",
        formula_at=(1, 15, '="CE"&1', "CE1"),
        extra={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0macro", "xl/externalLinks/externalLink1.xml": b"<x/>"},
    )


def _mixed_ends() -> bytes:
    ends = ["\r\n", "\n", "\r", "\r\n", "\n", "\n", "\r\n", ""]
    return "".join(row + end for row, end in zip([HISTORICAL, *PEOPLE], ends, strict=True)).encode("cp1252")


def _quoted() -> bytes:
    address = '"3 allée des Lilas\r\nbâtiment ""B""; porte 2"'
    quoted = f'"MARTIN";"";"Zoé";"14/03/2018";"F";"";{address};92140;CLAMART;FRANCE;;;;;CYCLE II;CE1;"CE1\nA";101;Oui;Non;Oui;'
    return lines(HISTORICAL, quoted, historical_line("PETIT", "Max"))


NBSP, NARROW = "\u00a0", "\u202f"
ODD_SIGNS = lines(
    HISTORICAL.replace("'", "’"),
    historical_line(f"{NBSP}D’ARTAGNAN{NARROW}LE{NBSP}GOFF{NBSP}", "\u200bÉlise\u00ad"),
    historical_line("D\u2018HOM\x01ME", "E\u0301lodie"),
    encoding="utf-8",
)
SIMPLE = "Nom{0}Prénom{0}Niveau{0}Classe{0}Né(e) le"
ENT = (
    "Id;Nom;Prénom;Classe;Profil",
    "77;DURAND;Paul;0000$CE1 A;Enseignant",
    "78;DURAND;Paul;0000$CE1$CLASSE  CE1;Enseignant",
    "79;LE BIHAN;Inès;;AESH",
    "80;MARTIN;Martin;0000$CE1 A;Élève",
)
GUARDIANS = lines(
    f"{GUARDIAN};{CHILD};{CHILD}",
    guardian("MARTIN", "Nadia", ("MARTIN", "Martin"), ("MARTIN", "Martine"), ("EL HADJ", "Zoé"), mail="nadia@home.example"),
    guardian("EL HADJ", "Karim", ("EL HADJ", "Zoé"), mobile="06 11 22 33 44"),
    "M.;;NGUYEN;Bao;1 rue;92140;CLAMART;FRANCE;;;;;;NGUYEN;A",
    "Extraction du 23/11/2026",
)
PAIRED = lines(
    PAIRS,
    "MARTIN;Martin;;CE1 A;MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;nadia@home.example;;;",
    "MARTIN;Martine;;CE1 A;MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;nadia@home.example;;;",
    "EL HADJ;Zoé;;CE1 A;MLLE;;EL HADJ;Samia",
    "3 lignes",
)

GOOD = [
    Good("historical", fixed(ORDINARY), 7, told={"DE LA TOUR": "no_first_name"}, ignored=("Sexe", "Adresse1", "Cycle")),
    *(
        Good(f"historical {code}", fixed(lines(HISTORICAL, *PEOPLE, encoding=code)), 7)
        for code in ("utf-8", "utf-8-sig", "utf-16", "iso-8859-15")
    ),
    Good("historical utf-16 big", fixed(b"\xfe\xff" + lines(HISTORICAL, *PEOPLE, encoding="utf-16-be")), 7),
    Good("older", fixed(lines(OLDER, "PETIT;;Max;14/03/2018;M;1 rue;92140;CLAMART;FRANCE;;;;;CYCLE III;CE2;CE2;;Oui;Oui;")), 1),
    Good(
        "custom with extra columns",
        fixed(lines(CUSTOM, custom("MARTIN", "Zoé", groups="Chorale"), custom("PETIT", "Max", units="ULIS"))),
        2,
        ignored=("Couleur préférée", "Etat", "Commune naissance"),
    ),
    Good("typed cells", fixed(_typed()), 2, same_names=("SERIAL", "DATE")),
    Good("a spreadsheet's damage", fixed(_damaged()), 5, skipped=2, told={
        "MARS": "bad_ine", "12/05/2026": "damaged_name", "LEGRAND": "damaged_name", "PETIT": "", "GRAS": "bad_birth_date", "YVON": "",
        "ROUX": "",
    }),
    Good("a secretary's workbook", fixed(_workbook_of_a_secretary()), 7),
    Good("mixed line ends", fixed(_mixed_ends()), 7),
    Good("quoted cells with line breaks", fixed(_quoted()), 2, told={"MARTIN": "", "PETIT": ""}),
    Good("odd spaces and apostrophes", fixed(ODD_SIGNS), 2, same_names=("D'ARTAGNAN LE GOFF", "D'HOMME")),
    *(
        Good(
            f"separator {sign!r}",
            fixed(lines(SIMPLE.format(sign), sign.join(["MARTIN", "Zoé", "CE1", "CE1 A", "2018-03-14"]), end="\n")),
            1,
        )
        for sign in (";", ",", "\t")
    ),
    Good("comma behind blank lines", fixed(lines("", "", SIMPLE.format(","), "MARTIN,Zoé,CE1,CE1 A,14/03/2018", "")), 1, skipped=1),
    Good("sep line of a spreadsheet", fixed(lines("sep=,", SIMPLE.format(","), "MARTIN,Zoé,CE1,CE1 A,14/03/2018")), 1),
    Good("title above the header", fixed(lines("École Jules-Verne;;;;", "", SIMPLE.format(";"), "MARTIN;Zoé;CE1;CE1 A;")), 1),
    Good("footer", fixed(lines(HISTORICAL, *PEOPLE, "7 élèves")), 7, skipped=1),
    Good("homonyms in one class", fixed(lines(
        HISTORICAL, historical_line("MARTIN", "Zoé", "01/02/2018"), historical_line("MARTIN", "Zoé", "03/02/2018"),
    )), 2),
    Good("spelled levels", fixed(lines(
        SIMPLE.format(";"), "A;B;Cours élémentaire 1ère année;C;", "D;E;GRANDE SECTION;C;", "F;G;CE 2;C;", "H;I;Cours moyen 2;C;",
    )), 4),
    Good("lines longer and shorter than the header", fixed(lines(
        SIMPLE.format(";"), "MARTIN;Zoé;CE1;CE1 A;14/03/2018;;;x;y", "PETIT;Max;CE1", "x",
    )), 2, skipped=1),
    Good("own template", lambda uai: lines(
        OWN, f"{uai};CE1 A;CE1;MARTIN;Zoé;non;", f"{uai.lower()};CE1 A;CE1;PETIT;Max;;", f"{uai};CE1 B;CE1;@LOU;=Lou;oui;",
    ), 3),
    Good("own template with another school's pupils", lambda uai: lines(
        OWN, f"{uai};CE1 A;CE1;MARTIN;Zoé;non;", "0922999K;CE1 A;CE1;STRANGER;Max;;",
    ), 1, told={"STRANGER": "other_school_than_named"}),
    Good("guardians", fixed(GUARDIANS), 0, guardians=3, skipped=1, before=fixed(ORDINARY)),
    Good("guardians with a desk number", fixed(lines(
        f"{GUARDIAN.replace('Téléphone portable', 'Numéro de poste;Téléphone portable')};{CHILD}",
        "MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;;;;12;;;MARTIN;Martin;CE1 A;;MARTIN;Martine;CE1 A;;EL HADJ;Zoé;CE1 A",
    )), 0, guardians=1, before=fixed(ORDINARY)),
    Good("guardians in pairs", fixed(PAIRED), 0, guardians=2, skipped=1, before=fixed(ORDINARY)),
    Good("staff", lambda uai: lines(
        STAFF, f"{uai};DURAND;Paul;paul@ecole.example;CE1 A;main", f"{uai};DURAND;Paul;paul@ecole.example;CLASSE  CE1;part",
        f"{uai};LE BIHAN;Inès;;;support",
    ), 0, staff=2, before=fixed(ORDINARY)),
    Good("a list of the digital workspace", fixed(lines(*ENT)), 0, staff=2, skipped=1, told={"DURAND": ""}, before=fixed(ORDINARY)),
    Good("oneroster 1.2", oneroster, 3, guardians=1, staff=2),
    Good("oneroster without manifest", lambda uai: oneroster(uai, manifest=None), 3, guardians=1, staff=2),
    Good("oneroster 1.1", lambda uai: archive_of({
        "export/orgs.csv": f"sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\ne,,,École,school,{uai},\n",
        "export/users.csv": "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,"
        "middleName,identifier,email,sms,phone,agents,grades,password\np1,,,true,e,student,z,,Zoé,EL HADJ,,,,,,g1,CE1,\n"
        "t1,,,true,e,teacher,t,,Paul,DURAND,,,,,,,,\ng1,,,true,e,parent,g,,Nadia,EL HADJ,,,,,,p1,,\n",
        "export/classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
        "termSourcedIds\nc1,,,CE1 A,CE1,k,,homeroom,,e,a\n",
        "export/enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,"
        "endDate\ni1,,,c1,e,p1,student,,,\ni2,,,c1,e,t1,teacher,true,,\n",
        "__MACOSX/export/._users.csv": b"\x00\x05\x16\x07",
    }), 1, guardians=1, staff=1),
    Good("oneroster with deleted people", lambda uai: oneroster(
        uai,
        enrollments="sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
        "i1,active,2026-09-01,c1,e,p1,student,false,,\ni2,tobedeleted,2026-09-01,c2,e,p2,student,false,,\n",
    ), 3, guardians=1, staff=2),
    Good("four thousand nine hundred pupils", fixed(lines(
        SIMPLE.format(";"), *(f"NOM{n};Ana{n};CE1;CE1 {n % 200};14/03/2018" for n in range(4900)),
    )), 4900),
]  # fmt: skip
