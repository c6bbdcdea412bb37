"""Endpoints of imported filter lists and of hosts."""
