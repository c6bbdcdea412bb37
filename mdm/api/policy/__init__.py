"""Endpoints of policy documents, presets, groups and the catalogue of settings."""
