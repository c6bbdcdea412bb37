"""Pupils, guardians, staff and groups of the schools. Importing the package makes every session keep the index of names."""

from enrollment.people import name_index as name_index
