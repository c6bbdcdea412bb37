"""The words of the pages about rosters."""

from __future__ import annotations

from cartable.i18n import Language, Words
from enrollment.people.files.columns import FileKind, Standing
from enrollment.people.imports.changes import Diff, Subject
from enrollment.people.models import ImportState

_PAGE: dict[str, Words] = {
    "import": Words(fr="Importer une liste", en="Bring in a roster"),
    "import_why": Words(
        fr="Rien n'est écrit avant votre confirmation. Le fichier n'est jamais conservé ; adresses, sexe, téléphones et lieu de naissance sont écartés à la lecture.",
        en="Nothing is written before you confirm. The file is never kept; addresses, sex, phone numbers and birth place are dropped while it is read.",
    ),
    "school": Words(fr="École", en="School"),
    "school_why": Words(fr="Un fichier ONDE ne dit pas de quelle école il est.", en="An ONDE file does not say which school it is of."),
    "several_schools": Words(fr="Le fichier nomme ses écoles", en="The file names its schools"),
    "file": Words(fr="Fichier", en="File"),
    "file_why": Words(
        fr="ONDE (élèves, responsables), modèle Cartable, personnels : CSV ou XLSX. OneRoster : ZIP. 5 Mo au plus.",
        en="ONDE (pupils, guardians), own template, staff: CSV or XLSX. OneRoster: ZIP. 5 MB at most.",
    ),
    "of_whom": Words(fr="De qui parle le fichier ?", en="Of whom does the file speak?"),
    "by_header": Words(fr="Reconnu à son en-tête", en="Told by its header"),
    "of_year": Words(fr="Année scolaire de la liste", en="School year of the roster"),
    "only_classes": Words(fr="Une partie de l'école : personne d'une autre classe n'est parti", en="A part of the school: nobody of another class has left"),
    "keep_contacts": Words(fr="Garder courriel et mobile des responsables, pour leur portail", en="Keep e-mail and mobile of guardians, for their portal"),
    "to_preview": Words(fr="Voir l'aperçu", en="See the preview"),
    "to_columns": Words(fr="Désigner les colonnes", en="Name the columns"),
    "frozen_now": Words(
        fr="Du {first} au {last}, aucune liste ne retire personne. Les listes de la nouvelle année attendent le 1er septembre : les niveaux changent ce jour-là.",
        en="From {first} to {last} no roster takes anybody away. The rosters of the new year wait for 1 September: levels change on that day.",
    ),
    "latest": Words(fr="Derniers imports", en="Latest imports"),
    "uploaded": Words(fr="Déposé le", en="Uploaded"),
    "format": Words(fr="Format", en="Format"),
    "changes": Words(fr="Changements", en="Changes"),
    "open": Words(fr="Ouvrir", en="Open"),
    "export": Words(fr="Exporter", en="Export"),
    "export_own": Words(fr="Modèle Cartable rempli", en="Own template, filled in"),
    "pupils": Words(fr="élèves", en="pupils"),
    "staff": Words(fr="personnels", en="staff"),
    "oneroster": Words(fr="OneRoster 1.2 (ZIP)", en="OneRoster 1.2 (ZIP)"),
    "apple": Words(fr="Apple School Manager (ZIP)", en="Apple School Manager (ZIP)"),
    "apple_reasons": Words(fr="Apple School Manager : pas maintenant", en="Apple School Manager: not now"),
    "import_of": Words(fr="Import du {at}", en="Import of {at}"),
    "for_year": Words(fr="Liste de l'année {year}", en="Roster of the year {year}"),
    "waits": Words(
        fr="Cette liste est celle de l'année prochaine. Confirmée, elle dit où chaque élève sera le 1er septembre ; aucune tablette ne change avant.",
        en="This roster is of the coming year. Once confirmed it says where each pupil will be on 1 September; no tablet changes before.",
    ),
    "nobody_leaves": Words(fr="Personne ne sera retiré : les absents du fichier restent comme ils sont.", en="Nobody is taken away: who is not in the file stays as they are."),
    "sample": Words(fr="Les noms sont-ils bien lus ?", en="Are the names read well?"),
    "sample_why": Words(
        fr="Si un accent est abîmé, abandonnez cet import et refaites l'extraction sans passer par un tableur.",
        en="If an accent is damaged, discard this import and extract again without a spreadsheet.",
    ),
    "ignored": Words(fr="Colonnes écartées", en="Columns dropped"),
    "skipped": Words(fr="{count} lignes vides ou de pied de page passées", en="{count} empty or footer lines skipped"),
    "to_look_at": Words(fr="À regarder", en="To be looked at"),
    "all_good": Words(fr="Aucune ligne à problème.", en="No line with a problem."),
    "lines": Words(fr="Lignes", en="Lines"),
    "line": Words(fr="Ligne", en="Line"),
    "name": Words(fr="Nom", en="Name"),
    "level": Words(fr="Niveau", en="Level"),
    "class": Words(fr="Classe", en="Class"),
    "change": Words(fr="Changement", en="Change"),
    "why": Words(fr="Pourquoi", en="Why"),
    "is": Words(fr="De qui s'agit-il ?", en="Who is it?"),
    "is_of": Words(fr="De qui s'agit-il, ligne {line} ?", en="Who is it, line {line}?"),
    "somebody_new": Words(fr="Quelqu'un de nouveau", en="Somebody new"),
    "decide": Words(fr="Décider", en="Decide"),
    "everything": Words(fr="Toutes les lignes", en="All lines"),
    "confirm": Words(fr="Confirmer l'import", en="Confirm the import"),
    "discard": Words(fr="Abandonner", en="Discard"),
    "undo": Words(fr="Annuler l'import", en="Undo the import"),
    "undo_why": Words(fr="Possible pendant 24 h. Ce que quelqu'un a changé depuis reste.", en="Possible for 24 hours. What somebody has changed since stays."),
    "report": Words(fr="Télécharger le rapport", en="Download the report"),
    "second": Words(
        fr="{left} personnes disparaîtraient de l'école : le fichier est peut-être partiel. Une autre personne que celle qui l'a déposé doit confirmer.",
        en="{left} people would leave the school: the file may be partial. Another person than who uploaded it must confirm.",
    ),
    "second_you": Words(
        fr="Vous l'avez déposé : une autre personne de la mairie doit le confirmer. S'il ne contient qu'une partie de l'école, abandonnez-le et déposez-le à nouveau en cochant « Une partie de l'école ».",
        en="You have uploaded it: another person of the town hall must confirm. If it holds a part of the school only, discard it and upload it again with “A part of the school” ticked.",
    ),
    "unreadable": Words(fr="Ce fichier ne peut pas être lu : {why}.", en="This file cannot be read: {why}."),
    "columns_of": Words(fr="Colonnes du fichier", en="Columns of the file"),
    "columns_why": Words(
        fr="Dites ce qu'est chaque colonne. C'est retenu pour cette école. Le fichier n'a pas été gardé : vous le déposerez à nouveau.",
        en="Say what each column is. It is kept for this school. The file was not kept: you will upload it again.",
    ),
    "column": Words(fr="Colonne", en="Column"),
    "is_read_as": Words(fr="Lue comme", en="Read as"),
    "standing": Words(fr="Ce qu'elle devient", en="What becomes of it"),
    "leave_out": Words(fr="laisser de côté", en="leave out"),
    "as_known": Words(fr="selon son nom", en="by its name"),
    "never_kept": Words(fr="jamais conservée", en="never kept"),
    "save_columns": Words(fr="Retenir pour cette école", en="Keep for this school"),
    "columns_kept": Words(fr="C'est retenu. Déposez le fichier à nouveau.", en="Kept. Upload the file again."),
    "confirmed": Words(fr="L'import est confirmé.", en="The import is confirmed."),
    "undone": Words(fr="L'import est annulé : tout est comme avant.", en="The import is undone: everything is as before."),
    "decided": Words(fr="C'est noté.", en="Noted."),
    "forgotten": Words(fr="Cet import a plus d'un jour : ses lignes sont oubliées.", en="This import is more than a day old: its lines are forgotten."),
    "no_school": Words(fr="Entrez d'abord une école.", en="Enter a school first."),
    "try_columns": Words(
        fr="Une colonne nécessaire n'a pas été reconnue : « Désigner les colonnes » permet de dire ce qu'elles sont.",
        en="A needed column was not recognised: “Name the columns” lets you say what they are.",
    ),
}  # fmt: skip
KINDS: dict[Diff, Words] = {
    Diff.NEW: Words(fr="arrivées", en="new"),
    Diff.UNCHANGED: Words(fr="inchangés", en="unchanged"),
    Diff.RENAMED: Words(fr="fiche modifiée", en="details changed"),
    Diff.MOVED_CLASS: Words(fr="changent de classe", en="moved class"),
    Diff.CHANGED_LEVEL: Words(fr="changent de niveau", en="changed level"),
    Diff.LEFT_FILE: Words(fr="absents du fichier", en="left the file"),
    Diff.DUPLICATE: Words(fr="en double", en="duplicate"),
    Diff.AMBIGUOUS: Words(fr="à décider", en="to be decided"),
    Diff.INVALID: Words(fr="non importés", en="not imported"),
}
#: The same of one line.
LINES: dict[Diff, Words] = {
    Diff.NEW: Words(fr="arrive", en="new"),
    Diff.UNCHANGED: Words(fr="inchangé", en="unchanged"),
    Diff.RENAMED: Words(fr="fiche modifiée", en="details changed"),
    Diff.MOVED_CLASS: Words(fr="change de classe", en="moves class"),
    Diff.CHANGED_LEVEL: Words(fr="change de niveau", en="changes level"),
    Diff.LEFT_FILE: Words(fr="absent du fichier", en="left the file"),
    Diff.DUPLICATE: Words(fr="en double", en="duplicate"),
    Diff.AMBIGUOUS: Words(fr="à décider", en="to be decided"),
    Diff.INVALID: Words(fr="non importé", en="not imported"),
}
SUBJECTS: dict[Subject, Words] = {
    Subject.PUPIL: Words(fr="élève", en="pupil"),
    Subject.GUARDIAN: Words(fr="responsable", en="guardian"),
    Subject.STAFF: Words(fr="adulte de l'école", en="staff"),
}
STATES: dict[ImportState, Words] = {
    ImportState.PREVIEWED: Words(fr="à confirmer", en="to be confirmed"),
    ImportState.CONFIRMED: Words(fr="confirmé", en="confirmed"),
    ImportState.DISCARDED: Words(fr="abandonné", en="discarded"),
    ImportState.UNDONE: Words(fr="annulé", en="undone"),
}
FILES: dict[FileKind, Words] = {
    FileKind.PUPILS: Words(fr="Élèves", en="Pupils"),
    FileKind.GUARDIANS: Words(fr="Responsables", en="Guardians"),
    FileKind.STAFF: Words(fr="Personnels", en="Staff"),
}
STANDINGS: dict[Standing, Words] = {
    Standing.KEPT: Words(fr="conservée", en="kept"),
    Standing.FORBIDDEN: Words(fr="jamais conservée", en="never kept"),
    Standing.LEFT_OUT: Words(fr="connue, inutile", en="known, not needed"),
    Standing.UNKNOWN: Words(fr="inconnue", en="unknown"),
}
FIELDS: dict[str, Words] = {
    "last_name": Words(fr="nom de famille", en="family name"),
    "usage_name": Words(fr="nom d'usage", en="usage name"),
    "first_name": Words(fr="prénom", en="first name"),
    "birth_date": Words(fr="date de naissance (pour reconnaître, jamais gardée)", en="birth date (to match, never kept)"),
    "ine": Words(fr="INE (pour reconnaître, jamais gardé)", en="INE (to match, never kept)"),
    "level": Words(fr="niveau", en="level"),
    "class_label": Words(fr="classe", en="class"),
    "onde_class_id": Words(fr="numéro de classe ONDE", en="class number of ONDE"),
    "school_uai": Words(fr="UAI de l'école", en="UAI of the school"),
    "take_home": Words(fr="tablette emportée", en="takes the tablet home"),
    "inventory_tag": Words(fr="étiquette", en="inventory tag"),
    "passage": Words(fr="décision de passage (le mot, jamais le texte)", en="decision for next year (the word, never the text)"),
    "email": Words(fr="courriel", en="e-mail"),
    "mobile": Words(fr="mobile", en="mobile"),
    "child_last_name": Words(fr="nom de l'enfant", en="child's family name"),
    "child_usage_name": Words(fr="nom d'usage de l'enfant", en="child's usage name"),
    "child_first_name": Words(fr="prénom de l'enfant", en="child's first name"),
    "child_class": Words(fr="classe de l'enfant", en="child's class"),
    "kind": Words(fr="fonction", en="capacity"),
    "profile": Words(fr="profil", en="profile"),
    "groups": Words(fr="groupes", en="groups"),
    "units": Words(fr="dispositifs (ULIS, UPE2A)", en="units (ULIS, UPE2A)"),
    "class": Words(fr="classe", en="class"),
}
#: Why a line is what it is; a word that is not here is shown as it is.
WHY: dict[str, Words] = {
    "name": Words(fr="nom", en="name"),
    "usage_name": Words(fr="nom d'usage", en="usage name"),
    "level": Words(fr="niveau", en="level"),
    "class": Words(fr="classe", en="class"),
    "take_home": Words(fr="tablette emportée", en="takes home"),
    "returned": Words(fr="de retour", en="is back"),
    "identifier": Words(fr="identifiant appris", en="identifier learned"),
    "twice_in_file": Words(fr="deux fois dans le fichier", en="twice in the file"),
    "several_pupils": Words(fr="plusieurs élèves possibles", en="several pupils possible"),
    "other_school": Words(fr="vient d'une autre école", en="from another school"),
    "active_in_other_school": Words(fr="encore inscrit dans une autre école", en="still at another school"),
    "decided_by_hand": Words(fr="décidé à la main", en="decided by hand"),
    "passage_promoted": Words(fr="l'an prochain : passe", en="next year: goes up"),
    "passage_retained": Words(fr="l'an prochain : maintenu", en="next year: stays at the level"),
    "passage_skipping": Words(fr="l'an prochain : saute un niveau", en="next year: skips a level"),
    "passage_leaver": Words(fr="l'an prochain : part", en="next year: leaves"),
    "passage_unknown": Words(fr="décision de passage non comprise", en="decision for next year not understood"),
    "no_last_name": Words(fr="nom manquant", en="no family name"),
    "no_first_name": Words(fr="prénom manquant", en="no first name"),
    "unknown_level": Words(fr="niveau inconnu", en="unknown level"),
    "damaged_name": Words(fr="nom abîmé par un tableur", en="name damaged by a spreadsheet"),
    "unknown_school": Words(fr="école inconnue", en="unknown school"),
    "other_school_than_named": Words(fr="autre école que celle choisie", en="another school than the one chosen"),
}
#: Why a file as a whole is refused, by the stable word of the refusal.
UNREADABLE: dict[str, Words] = {
    "bad_csv": Words(fr="ce CSV est abîmé", en="this CSV is damaged"),
    "bad_xlsx": Words(fr="ce classeur est abîmé", en="this workbook is damaged"),
    "bad_zip": Words(fr="cette archive est abîmée", en="this archive is damaged"),
    "binary": Words(fr="ce n'est ni un CSV, ni un XLSX, ni une archive OneRoster", en="it is no CSV, XLSX or OneRoster archive"),
    "duplicate_column": Words(fr="deux colonnes disent la même chose", en="two columns say the same"),
    "empty": Words(fr="il est vide", en="it is empty"),
    "encoding_suspect": Words(
        fr="ses accents sont abîmés ; refaites l'extraction sans tableur",
        en="its accents are damaged; extract it anew without a spreadsheet",
    ),
    "locked_or_old_workbook": Words(
        fr="ce classeur a un mot de passe ou un format ancien ; enregistrez-le en .xlsx ou .csv",
        en="this workbook has a password or an old format; save it as .xlsx or .csv",
    ),
    "oneroster_delta": Words(
        fr="cet envoi OneRoster est partiel ; il en faut un complet", en="this OneRoster set is partial; a whole one is needed"
    ),
    "oneroster_version": Words(fr="cette version de OneRoster n'est pas lue", en="this version of OneRoster is not read"),
    "too_large": Words(fr="il est trop gros", en="it is too large"),
    "too_many_lines": Words(fr="il a trop de lignes", en="it has too many lines"),
    "zip_duplicate": Words(fr="un fichier est deux fois dans l'archive", en="a file is twice in the archive"),
    "zip_encrypted": Words(fr="l'archive a un mot de passe", en="the archive has a password"),
    "zip_too_large": Words(fr="l'archive est trop grosse", en="the archive is too large"),
    "zip_unsafe_name": Words(fr="un nom dans l'archive est suspect", en="a name in the archive is suspicious"),
}
_MISSING = Words(fr="il manque : {field}", en="missing: {field}")
REASONS: dict[str, Words] = {
    "summer_freeze": Words(fr="gel d'été : les directeurs n'ont pas encore leurs listes", en="summer freeze: heads do not have their lists yet"),
    "lists_unconfirmed": Words(fr="écoles dont les nouvelles listes ne sont pas confirmées", en="schools whose new lists are not confirmed"),
    "school_without_pupils": Words(fr="écoles sans élève", en="schools without pupils"),
    "pupil_without_class": Words(fr="élèves sans classe de cette année", en="pupils without a class of this year"),
    "class_missing": Words(fr="classes du dernier envoi qui ont disparu", en="classes of the last set that are gone"),
    "no_pupils": Words(fr="aucun élève", en="no pupils"),
    "name_missing": Words(fr="noms manquants", en="names missing"),
}  # fmt: skip


def words_of(language: Language) -> dict[str, str]:
    """Every word of these pages in one language."""
    return {name: words.say(language) for name, words in _PAGE.items()}


def why_words(told: list[str], language: Language) -> str:
    """The reasons of a line for a person."""
    return ", ".join(WHY[word].say(language) if word in WHY else word for word in told)


def unreadable_words(why: str, language: Language) -> str:
    """Why a file cannot be read; a word that is not here is shown as it is."""
    if why.startswith("missing_"):
        field = why.removeprefix("missing_")
        return _MISSING.say(language).format(field=FIELDS[field].say(language) if field in FIELDS else field)
    return UNREADABLE[why].say(language) if why in UNREADABLE else why
