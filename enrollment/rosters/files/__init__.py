"""Roster files as they come: bytes in, cleaned rows with only the kept columns out. Pure; knows no database."""
