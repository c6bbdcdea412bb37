"""Endpoints of apps, licences and bundles."""
