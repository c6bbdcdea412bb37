"""Roster files: read, compared, imported and undone; exported for other systems."""
