"""The words on the papers of the desk, for families and for those who hand over."""

from __future__ import annotations

from cartable.i18n import Words

SHEET: dict[str, Words] = {
    "title": Words(fr="Remise des tablettes", en="Handover of tablets"),
    "loan": Words(fr="Prêt d'une tablette", en="Loan of a tablet"),
    "pupil": Words(fr="Élève", en="Pupil"),
    "write": Words(fr="nom à écrire à la main", en="name to write by hand"),
    "tag": Words(fr="Étiquette", en="Tag"),
    "agreed": Words(fr="Convention", en="Agreement"),
    "handed": Words(fr="Remise", en="Handed over"),
    "stays": Words(fr="Reste à l'école", en="Stays at school"),
    "where": Words(fr="Usage", en="Use"),
    "home": Words(fr="à l'école et à la maison", en="at school and at home"),
    "school_only": Words(fr="à l'école seulement", en="at school only"),
    "return": Words(fr="Retour d'une tablette", en="Return of a tablet"),
    "back": Words(fr="Rendu avec la tablette", en="Given back with it"),
    "condition": Words(fr="État", en="Condition"),
    "conditions": Words(fr="comme neuve  /  bon  /  usée  /  abîmée", en="as new  /  good  /  worn  /  damaged"),
    "giver": Words(fr="Remise par : date et signature", en="Given back by: date and signature"),
    "delivery": Words(fr="Livraison", en="Delivery"),
    "serial": Words(fr="Numéro de série", en="Serial number"),
    "state": Words(fr="État", en="State"),
    "unpacked": Words(fr="Vue", en="Seen"),
    "accessories": Words(fr="Remis avec la tablette", en="Handed over with it"),
    "care": Words(fr="En prendre soin", en="Taking care of it"),
    "guardian": Words(fr="Responsable légal : nom, date et signature", en="Guardian: name, date and signature"),
    "agent": Words(fr="Pour la ville : date et signature", en="For the town: date and signature"),
}
RULES: tuple[Words, ...] = (
    Words(fr="Je garde la tablette dans sa coque et je la transporte à plat.", en="I keep the tablet in its cover and carry it flat."),
    Words(fr="Je ne mange pas et ne bois pas à côté.", en="I neither eat nor drink next to it."),
    Words(fr="Je la charge le soir, hors de la chambre.", en="I charge it in the evening, outside the bedroom."),
    Words(fr="Si elle est cassée ou perdue, je le dis tout de suite : ce n'est pas une faute.",
          en="If it is broken or lost I say so at once: it is not a fault."),
)  # fmt: skip
