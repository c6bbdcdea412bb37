"""The words of the desk, and what to do about each refusal."""

from __future__ import annotations

from mdm.kit.words import Language, Words

DESK: dict[str, Words] = {
    "desk": Words(fr="Atelier", en="Desk"),
    "towns": Words(fr="Dans quelle ville travaillez-vous ?", en="In which town are you working?"),
    "other_town": Words(fr="Changer de ville", en="Change town"),
    "bench": Words(fr="Préparer", en="Prepare"),
    "bench_why": Words(
        fr="Scannez le numéro de série : la tablette est prête.", en="Scan the serial number: the tablet is ready."
    ),
    "handover": Words(fr="Remettre", en="Hand over"),
    "handover_why": Words(fr="Une classe, un enfant à la fois.", en="A class, one child at a time."),
    "swap": Words(fr="Échanger", en="Swap"),
    "swap_why": Words(
        fr="Deux enfants ont échangé leurs tablettes et les gardent : scannez les deux.",
        en="Two children have exchanged their tablets and keep them: scan both.",
    ),
    "return": Words(fr="Reprendre", en="Take back"),
    "return_why": Words(
        fr="Décochez ce qui manque, puis scannez la tablette rendue.", en="Untick what is missing, then scan the tablet."
    ),
    "breakage": Words(fr="Casse", en="Breakage"),
    "breakage_why": Words(
        fr="Scannez la tablette cassée, puis celle de prêt. L'enfant repart avec.",
        en="Scan the broken tablet, then the loaner. The child leaves with it.",
    ),
    "school": Words(fr="École", en="School"),
    "class": Words(fr="Classe", en="Class"),
    "pupils": Words(fr="Remises", en="Handed over"),
    "papers": Words(fr="Papiers (PDF)", en="Papers (PDF)"),
    "labels": Words(fr="étiquettes", en="labels"),
    "sheets": Words(fr="fiches de remise", en="hand-over sheets"),
    "slips": Words(fr="fiches de retour", en="return slips"),
    "campaign": Words(fr="retour de la classe", en="the class's return"),
    "orders": Words(fr="Commandes", en="Orders"),
    "order": Words(fr="Commande", en="Order"),
    "order_new": Words(fr="Saisir une commande", en="Enter an order"),
    "order_reference": Words(fr="Numéro de la commande", en="Order number"),
    "order_serials": Words(fr="Numéros de série, un par ligne", en="Serial numbers, one a line"),
    "order_enter": Words(fr="Enregistrer la commande", en="Save the order"),
    "to_unpack": Words(fr="À déballer", en="To unpack"),
    "delivery": Words(fr="liste de livraison", en="delivery list"),
    "serial": Words(fr="Numéro de série ou étiquette", en="Serial number or tag"),
    "preprinted": Words(
        fr="Étiquettes imprimées d'avance : scanner aussi l'étiquette", en="Labels printed beforehand: scan the label too"
    ),
    "label": Words(fr="Étiquette à coller", en="Label to stick on"),
    "scan": Words(fr="Scannez la tablette", en="Scan the tablet"),
    "scan_or_name": Words(fr="Scannez la tablette, ou tapez un nom", en="Scan the tablet, or type a name"),
    "first": Words(fr="Première tablette", en="First tablet"),
    "second": Words(fr="Seconde tablette", en="Second tablet"),
    "broken": Words(fr="Tablette cassée", en="Broken tablet"),
    "loaner": Words(fr="Tablette de prêt", en="Loaner"),
    "loaner_none": Words(fr="Pas de tablette de prêt : Entrée sans scanner", en="No loaner: Enter without scanning"),
    "cause": Words(fr="Cause", en="Cause"),
    "account": Words(fr="Ce qui est raconté (sans nom)", en="What is told (no names)"),
    "account_default": Words(fr="Signalée à l'atelier.", en="Reported at the desk."),
    "condition": Words(fr="État", en="Condition"),
    "given": Words(fr="Remis avec la tablette", en="Handed over with it"),
    "back": Words(fr="Rendu avec la tablette", en="Given back with it"),
    "remembered": Words(fr="Ces choix restent pour l'enfant suivant.", en="These choices stay for the next child."),
    "enter": Words(fr="Valider", en="Enter"),
    "result": Words(fr="Résultat", en="Result"),
    "ready_to_scan": Words(fr="Prêt : scannez.", en="Ready: scan."),
    "today": Words(fr="Aujourd'hui", en="Today"),
    "nothing_today": Words(fr="Rien encore.", en="Nothing yet."),
    "waiting": Words(fr="En attente", en="Waiting"),
    "refused": Words(fr="À décider", en="To be decided"),
    "progress": Words(fr="{done} sur {all}", en="{done} of {all}"),
    "missing": Words(fr="Reste", en="Still to come"),
    "everybody": Words(fr="Tout le monde est servi.", en="Everybody has been served."),
    "pupil": Words(fr="Élève", en="Pupil"),
    "level": Words(fr="Niveau", en="Level"),
    "agreement": Words(fr="Convention", en="Agreement"),
    "tablet": Words(fr="Tablette", en="Tablet"),
    "signed": Words(fr="signée", en="signed"),
    "wanted": Words(fr="à signer", en="to be signed"),
    "stays": Words(fr="reste à l'école", en="stays at school"),
    "handed": Words(fr="remise", en="handed over"),
    "planned": Words(fr="à remettre", en="to hand over"),
    "not_yet": Words(fr="pas encore", en="not yet"),
    "next_child": Words(fr="Enfant", en="Child"),
    "choose": Words(fr="Choisir {name}", en="Choose {name}"),
    "all_signed": Words(
        fr="Les conventions signées de toute la classe sont devant moi",
        en="The signed agreements of the whole class are before me",
    ),
    "hand_over": Words(fr="Remettre", en="Hand over"),
    "agreement_q": Words(fr="La famille a-t-elle signé la convention ?", en="Has the family signed the agreement?"),
    "signed_now": Words(fr="Signée maintenant", en="Signed now"),
    "was_signed": Words(fr="Déjà signée", en="Was signed"),
    "stays_at_school": Words(fr="Reste à l'école", en="Stays at school"),
    "signed_by": Words(
        fr="Signée par (facultatif, sinon le nom est sur la feuille)", en="Signed by (optional; else it is on the sheet)"
    ),
    "signed_on": Words(fr="Signée le", en="Signed on"),
    "on_the_sheet": Words(fr="voir la feuille signée", en="see the signed sheet"),
    "returned_on": Words(fr="rendue le {day}", en="given back on {day}"),
    "to_return": Words(fr="à rendre", en="to be given back"),
    "no_tablet": Words(fr="sans tablette", en="no tablet"),
    "nobody": Words(fr="Personne dans cette classe.", en="Nobody in this class."),
    "no_classes": Words(fr="Aucune classe avec des élèves.", en="No class with pupils."),
    "nothing_to_print": Words(
        fr="Il n'y a rien à imprimer, ou trop d'un coup (504 étiquettes au plus).",
        en="There is nothing to print, or too much at once (504 labels at most).",
    ),
    "back_to_desk": Words(fr="Atelier", en="Desk"),
    "not_handler": Words(
        fr="L'atelier est ouvert aux personnes qui préparent et remettent les tablettes, dans les villes de leur mission du jour.",
        en="The desk is open to people who prepare and hand over tablets, in the towns of today's mission.",
    ),
    "no_script": Words(
        fr="Sans JavaScript, chaque scan recharge la page, et rien n'est gardé si le réseau tombe.",
        en="Without JavaScript every scan loads the page again, and nothing is kept when the network fails.",
    ),
}
#: What the scripts say. They hold no words of their own.
SCRIPT: dict[str, Words] = {
    "sending": Words(fr="Envoi…", en="Sending…"),
    "waiting": Words(fr="En attente ({count}) : gardé dans ce navigateur, envoyé dès que possible.",
                     en="Waiting ({count}): kept in this browser, sent as soon as possible."),
    "kept": Words(fr="Pas de réseau : gardé, à envoyer.", en="No network: kept, to be sent."),
    "sign_in_again": Words(fr="Votre connexion est finie. Les scans sont gardés : reconnectez-vous, ils partiront ensuite.",
                           en="Your sign-in has ended. The scans are kept: sign in again and they will be sent."),
    "sign_in": Words(fr="Se reconnecter dans un nouvel onglet", en="Sign in again in a new tab"),
    "other_person": Words(fr="Une autre personne est connectée : ces scans attendent que vous reveniez.",
                          en="Another person is signed in: these scans wait until you are back."),
    "others": Words(fr="{count} scan(s) d'une autre personne attendent dans ce navigateur ; elle doit s'y reconnecter.",
                    en="{count} scan(s) of another person wait in this browser; they must sign in here again."),
    "not_kept": Words(fr="Ce navigateur ne garde rien : ne fermez pas cette page avant l'envoi.",
                      en="This browser keeps nothing: do not close this page before it is sent."),
    "again": Words(fr="Renvoyer", en="Send again"),
    "forget": Words(fr="Oublier", en="Forget"),
    "too_old": Words(fr="Trop ancien pour être renvoyé sans risque : refaites-le.", en="Too old to be sent again safely: do it anew."),
    "not_a_scan": Words(fr="Ceci n'est ni une étiquette ni un numéro de série.", en="This is neither a tag nor a serial number."),
    "layout": Words(fr="Le scanner parle un autre clavier que l'ordinateur : voir le guide, « Le scanner ».",
                    en="The scanner speaks another keyboard than the computer: see the guide, “The scanner”."),
    "nobody": Words(fr="Aucun enfant de la liste ne correspond.", en="No child of the list matches."),
    "several": Words(fr="Plusieurs enfants correspondent : précisez.", en="Several children match: say more."),
    "chosen": Words(fr="{name} : scannez la tablette.", en="{name}: scan the tablet."),
    "choose_first": Words(fr="Choisissez d'abord l'enfant.", en="Choose the child first."),
    "answer_first": Words(fr="{tag} n'est pas remise : dites d'abord ce qu'il en est de la convention.",
                          en="{tag} is not handed over: tell about the agreement first."),
    "everybody": Words(fr="Tout le monde est servi.", en="Everybody has been served."),
    "waiting_row": Words(fr="en attente d'envoi", en="waiting to be sent"),
    "refused_row": Words(fr="refusée, à décider", en="refused, to be decided"),
    "handed": Words(fr="remise", en="handed over"),
    "progress": Words(fr="{done} sur {all}", en="{done} of {all}"),
    "returned": Words(fr="rendue", en="given back"),
    "not_yet": Words(fr="pas encore", en="not yet"),
    "planned": Words(fr="à remettre", en="to hand over"),
}  # fmt: skip
#: What was done, by the act that the answer names.
DONE: dict[str, Words] = {
    "bench": Words(fr="{tag} prête", en="{tag} ready"),
    "bench_again": Words(fr="{tag} était déjà prête", en="{tag} was ready already"),
    "hand_over": Words(fr="{tag} remise", en="{tag} handed over"),
    "swap": Words(fr="{tag} et {other} échangées", en="{tag} and {other} swapped"),
    "return": Words(fr="{tag} rendue", en="{tag} given back"),
    "return_lost": Words(fr="{tag} rendue, sans : {lost}", en="{tag} given back, without: {lost}"),
    "breakage": Words(fr="{tag} notée cassée", en="{tag} noted as broken"),
    "breakage_loaner": Words(fr="{tag} cassée, {other} prêtée", en="{tag} broken, {other} lent"),
}
#: What to do about a refusal, by its code.
ADVICE: dict[str, Words] = {
    "serial_not_ordered": Words(fr="Mettez-la de côté : la commande n'est pas saisie, ou elle vient d'ailleurs.",
                                en="Put it aside: the order was not entered, or it is from elsewhere."),
    "unknown_scan": Words(fr="Scannez l'étiquette ou le dos de la tablette, pas la boîte d'un accessoire.",
                          en="Scan the label or the back of the tablet, not the box of an accessory."),
    "other_town": Words(fr="Mettez-la de côté, et changez de ville pour la traiter.", en="Put it aside, and change town to handle it."),
    "tag_taken": Words(fr="Prenez l'étiquette suivante ; cherchez celle-ci dans la liste du jour.",
                       en="Take the next label; look for this one in today's list."),
    "tablet_wrong_state": Words(fr="Ouvrez sa fiche : elle doit d'abord être rendue, retrouvée ou réparée.",
                                en="Open its page: it must first be given back, found or repaired."),
    "tablet_not_free": Words(fr="Prenez une autre tablette ; celle-ci est chez quelqu'un ou pas encore prête.",
                             en="Take another tablet; this one is with somebody or not ready yet."),
    "pupil_has_tablet": Words(fr="Reprenez d'abord l'autre tablette, ou faites un échange.", en="Take the other tablet back first, or swap."),
    "agreement_missing": Words(fr="Faites signer la feuille, ou dites que la tablette reste à l'école.",
                               en="Have the sheet signed, or say that the tablet stays at school."),
    "no_open_loan": Words(fr="Elle n'est prêtée à personne : rangez-la ou préparez-la.", en="It is lent to nobody: store it or prepare it."),
    "evidence_hold": Words(fr="N'y touchez pas et prévenez la ville.", en="Do not touch it, and tell the town."),
    "request_id_reused": Words(fr="Rechargez la page et refaites ce scan.", en="Load the page again and repeat this scan."),
    "no_open_incident": Words(fr="Signalez d'abord la casse.", en="Report the breakage first."),
    "invalid": Words(fr="Relisez ce qui a été scanné.", en="Check what was scanned."),
    "forbidden": Words(fr="Cette école ou cette ville n'est pas dans votre mission d'aujourd'hui.",
                       en="This school or town is not in your mission of today."),
    "not_found": Words(fr="Rechargez la page : l'élève ou la classe a changé.", en="Load the page again: the pupil or class has changed."),
    "stale_page": Words(fr="Rechargez la page.", en="Load the page again."),
    "serial_known": Words(fr="Un de ces numéros est déjà saisi, ici ou ailleurs ; rien n'a été enregistré.",
                          en="One of these numbers is entered already, here or elsewhere; nothing was saved."),
}  # fmt: skip


def desk(language: Language) -> dict[str, str]:
    """The words of the pages in one language."""
    return {name: words.say(language) for name, words in DESK.items()}


def script(language: Language) -> dict[str, str]:
    """The words of the scripts in one language."""
    return {name: words.say(language) for name, words in SCRIPT.items()}
