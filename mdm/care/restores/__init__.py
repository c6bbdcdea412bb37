"""A database that was restored from a backup: how it is noticed, and what must not happen then."""
