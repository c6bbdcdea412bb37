"""Refusals around the push certificate."""

from __future__ import annotations

from cartable.errors import Conflict, Invalid
from cartable.i18n import Words


class NoPushCertificate(Conflict):
    """No push certificate is installed."""

    code = "no_push_certificate"
    words = Words(fr="Aucun certificat de notification n'est installé.", en="No push certificate is installed.")


class OtherTopic(Conflict):
    """The certificate belongs to another topic: every tablet would fall silent."""

    code = "push_other_topic"
    words = Words(
        fr="Ce certificat porte un autre sujet ({offered}) que l'actuel ({current}) : toutes les tablettes deviendraient muettes.",
        en="This certificate has another topic ({offered}) than the present one ({current}): every tablet would fall silent.",
    )


class BadPushCertificate(Invalid):
    """The certificate cannot be used."""

    code = "push_bad_certificate"
    words = Words(fr="Ce certificat ne convient pas : {why}.", en="This certificate cannot be used: {why}.")
