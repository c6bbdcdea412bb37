"""Roster imports: plan, preview, decide, confirm, undo, report."""
