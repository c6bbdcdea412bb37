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
    build_csv,
    build_oneroster,
    build_workbook,
    custom_line,
    guardian_line,
    historical_line,
)


@dataclass(frozen=True)
class GoodFile:
    """A file (for a school's UAI), what it brings to an empty school, and what else must be true of the preview.

    `told`: last name → reasons of its line. `before`: a file that is imported first.
    """

    name: str
    content: Callable[[str], bytes]
    new: int
    guardians: int = 0
    staff: int = 0
    skipped: int = 0
    expected_reasons: dict[str, str] = field(default_factory=dict)
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
ORDINARY = build_csv(HISTORICAL, *PEOPLE)


def constant(content: bytes) -> Callable[[str], bytes]:
    """A file that does not name its school."""
    return lambda _uai: content


def _split(row: str) -> list[Cell]:
    return list(row.split(";"))


def _typed() -> bytes:
    """As a spreadsheet types it: a date, a date without its format (a serial number), a number for the class."""
    first, second = _split(historical_line("SERIAL", "Ana")), _split(historical_line("DATE", "Bob"))
    first[3], second[3] = 43173, datetime(2018, 3, 14)  # noqa: DTZ001 - spreadsheets know no zones
    first[17] = second[17] = 101
    return build_workbook([_split(HISTORICAL), first, second])


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
    return build_csv(HISTORICAL, *(row + ";;;" for row in rows), ";" * 21, ";" * 21)


def _workbook_of_a_secretary() -> bytes:
    return build_workbook(
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
    return build_csv(HISTORICAL, quoted, historical_line("PETIT", "Max"))


NBSP, NARROW = "\u00a0", "\u202f"
ODD_SIGNS = build_csv(
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
GUARDIANS = build_csv(
    f"{GUARDIAN};{CHILD};{CHILD}",
    guardian_line("MARTIN", "Nadia", ("MARTIN", "Martin"), ("MARTIN", "Martine"), ("EL HADJ", "Zoé"), mail="nadia@home.example"),
    guardian_line("EL HADJ", "Karim", ("EL HADJ", "Zoé"), mobile="06 11 22 33 44"),
    "M.;;NGUYEN;Bao;1 rue;92140;CLAMART;FRANCE;;;;;;NGUYEN;A",
    "Extraction du 23/11/2026",
)
PAIRED = build_csv(
    PAIRS,
    "MARTIN;Martin;;CE1 A;MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;nadia@home.example;;;",
    "MARTIN;Martine;;CE1 A;MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;nadia@home.example;;;",
    "EL HADJ;Zoé;;CE1 A;MLLE;;EL HADJ;Samia",
    "3 lignes",
)

GOOD = [
    GoodFile("historical", constant(ORDINARY), 7, expected_reasons={"DE LA TOUR": "no_first_name"}, ignored=("Sexe", "Adresse1", "Cycle")),
    *(
        GoodFile(f"historical {code}", constant(build_csv(HISTORICAL, *PEOPLE, encoding=code)), 7)
        for code in ("utf-8", "utf-8-sig", "utf-16", "iso-8859-15")
    ),
    GoodFile(
        "a list alone in an archive",
        constant(archive_of({"école/CSVExtraction.CSV": build_csv(HISTORICAL, *PEOPLE), "__MACOSX/école/._CSVExtraction.CSV": b"\0", "lisez-moi.pdf": b"%"})),
        7,
    ),
    GoodFile("a workbook alone in an archive", constant(archive_of({"liste.xlsx": build_workbook([["Nom", "Prénom", "Niveau"], ["MARTIN", "Zoé", "CE1"]])})), 1),
    GoodFile("historical utf-16 big", constant(b"\xfe\xff" + build_csv(HISTORICAL, *PEOPLE, encoding="utf-16-be")), 7),
    GoodFile("older", constant(build_csv(OLDER, "PETIT;;Max;14/03/2018;M;1 rue;92140;CLAMART;FRANCE;;;;;CYCLE III;CE2;CE2;;Oui;Oui;")), 1),
    GoodFile(
        "custom with extra columns",
        constant(build_csv(CUSTOM, custom_line("MARTIN", "Zoé", groups="Chorale"), custom_line("PETIT", "Max", units="ULIS"))),
        2,
        ignored=("Couleur préférée", "Etat", "Commune naissance"),
    ),
    GoodFile("typed cells", constant(_typed()), 2, same_names=("SERIAL", "DATE")),
    GoodFile("a spreadsheet's damage", constant(_damaged()), 5, skipped=2, expected_reasons={
        "MARS": "bad_ine", "12/05/2026": "damaged_name", "LEGRAND": "damaged_name", "PETIT": "", "GRAS": "bad_birth_date", "YVON": "",
        "ROUX": "",
    }),
    GoodFile("a secretary's workbook", constant(_workbook_of_a_secretary()), 7),
    GoodFile("mixed line ends", constant(_mixed_ends()), 7),
    GoodFile("quoted cells with line breaks", constant(_quoted()), 2, expected_reasons={"MARTIN": "", "PETIT": ""}),
    GoodFile("odd spaces and apostrophes", constant(ODD_SIGNS), 2, same_names=("D'ARTAGNAN LE GOFF", "D'HOMME")),
    *(
        GoodFile(
            f"separator {sign!r}",
            constant(build_csv(SIMPLE.format(sign), sign.join(["MARTIN", "Zoé", "CE1", "CE1 A", "2018-03-14"]), end="\n")),
            1,
        )
        for sign in (";", ",", "\t")
    ),
    GoodFile("comma behind blank lines", constant(build_csv("", "", SIMPLE.format(","), "MARTIN,Zoé,CE1,CE1 A,14/03/2018", "")), 1, skipped=1),
    GoodFile("sep line of a spreadsheet", constant(build_csv("sep=,", SIMPLE.format(","), "MARTIN,Zoé,CE1,CE1 A,14/03/2018")), 1),
    GoodFile("title above the header", constant(build_csv("École Jules-Verne;;;;", "", SIMPLE.format(";"), "MARTIN;Zoé;CE1;CE1 A;")), 1),
    GoodFile("footer", constant(build_csv(HISTORICAL, *PEOPLE, "7 élèves")), 7, skipped=1),
    GoodFile("homonyms in one class", constant(build_csv(
        HISTORICAL, historical_line("MARTIN", "Zoé", "01/02/2018"), historical_line("MARTIN", "Zoé", "03/02/2018"),
    )), 2),
    GoodFile("spelled levels", constant(build_csv(
        SIMPLE.format(";"), "A;B;Cours élémentaire 1ère année;C;", "D;E;GRANDE SECTION;C;", "F;G;CE 2;C;", "H;I;Cours moyen 2;C;",
    )), 4),
    GoodFile("lines longer and shorter than the header", constant(build_csv(
        SIMPLE.format(";"), "MARTIN;Zoé;CE1;CE1 A;14/03/2018;;;x;y", "PETIT;Max;CE1", "x",
    )), 2, skipped=1),
    GoodFile("own template", lambda uai: build_csv(
        OWN, f"{uai};CE1 A;CE1;MARTIN;Zoé;non;", f"{uai.lower()};CE1 A;CE1;PETIT;Max;;", f"{uai};CE1 B;CE1;@LOU;=Lou;oui;",
    ), 3),
    GoodFile("own template with another school's pupils", lambda uai: build_csv(
        OWN, f"{uai};CE1 A;CE1;MARTIN;Zoé;non;", "0922999K;CE1 A;CE1;STRANGER;Max;;",
    ), 1, expected_reasons={"STRANGER": "other_school_than_named"}),
    GoodFile("guardians", constant(GUARDIANS), 0, guardians=3, skipped=1, before=constant(ORDINARY)),
    GoodFile("guardians with a desk number", constant(build_csv(
        f"{GUARDIAN.replace('Téléphone portable', 'Numéro de poste;Téléphone portable')};{CHILD}",
        "MME;;MARTIN;Nadia;1 rue;92140;CLAMART;FRANCE;;;;12;;;MARTIN;Martin;CE1 A;;MARTIN;Martine;CE1 A;;EL HADJ;Zoé;CE1 A",
    )), 0, guardians=1, before=constant(ORDINARY)),
    GoodFile("guardians in pairs", constant(PAIRED), 0, guardians=2, skipped=1, before=constant(ORDINARY)),
    GoodFile("staff", lambda uai: build_csv(
        STAFF, f"{uai};DURAND;Paul;paul@ecole.example;CE1 A;main", f"{uai};DURAND;Paul;paul@ecole.example;CLASSE  CE1;part",
        f"{uai};LE BIHAN;Inès;;;support",
    ), 0, staff=2, before=constant(ORDINARY)),
    GoodFile("a list of the digital workspace", constant(build_csv(*ENT)), 0, staff=2, skipped=1, expected_reasons={"DURAND": ""}, before=constant(ORDINARY)),
    GoodFile("oneroster 1.2", build_oneroster, 3, guardians=1, staff=2),
    GoodFile("oneroster without manifest", lambda uai: build_oneroster(uai, manifest=None), 3, guardians=1, staff=2),
    GoodFile("oneroster 1.1", lambda uai: archive_of({
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
    GoodFile("oneroster with deleted people", lambda uai: build_oneroster(
        uai,
        enrollments="sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
        "i1,active,2026-09-01,c1,e,p1,student,false,,\ni2,tobedeleted,2026-09-01,c2,e,p2,student,false,,\n",
    ), 3, guardians=1, staff=2),
    GoodFile("four thousand nine hundred pupils", constant(build_csv(
        SIMPLE.format(";"), *(f"NOM{n};Ana{n};CE1;CE1 {n % 200};14/03/2018" for n in range(4900)),
    )), 4900),
]  # fmt: skip
