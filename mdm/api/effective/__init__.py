"""Endpoints that explain what is in force on a tablet."""
