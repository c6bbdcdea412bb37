"""Pupils, guardians, staff and groups of the schools."""
