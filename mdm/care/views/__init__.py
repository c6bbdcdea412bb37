"""Saved views of the list of tablets: filters that a person keeps under a name."""
