"""Helpers for tests: servers, databases, factories."""
