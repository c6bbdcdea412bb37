"""The API of the server itself: its state, the audit trail, commands."""
