"""A town moves to another server, or is removed from this one: its archive, the import, the removal. See docs/operator/town-hosts.md."""
