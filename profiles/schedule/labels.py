"""Labels of what families decide for a child: after-school time and their own rules."""

from __future__ import annotations

from cartable.i18n import Message
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.mode_decision import AfterSchool

AFTER_SCHOOL: dict[AfterSchool, Message] = {
    AfterSchool.UNKNOWN: Message("the family has not said"),
    AfterSchool.ATTENDS: Message("stays at school"),
    AfterSchool.HOME: Message("goes home"),
}
GUARDIAN_RULES: dict[GuardianRuleKind, Message] = {
    GuardianRuleKind.QUIET: Message("a longer night"),
    GuardianRuleKind.PAUSE: Message("a pause"),
    GuardianRuleKind.HIDE_APP: Message("a hidden app"),
    GuardianRuleKind.ONLY_LISTED_SITES: Message("only listed sites"),
}
