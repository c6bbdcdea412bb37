"""Desired minus reported, expressed as commands."""
