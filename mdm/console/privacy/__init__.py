"""Pages of the data protection officer: requests of people, retention, the audit trail."""
