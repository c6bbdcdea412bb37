"""Roster imports: planned, previewed, decided, confirmed, undone, reported."""
