"""Roster exports: the own template, OneRoster 1.2, the set for Apple School Manager. Complete, or refused with the reasons."""
