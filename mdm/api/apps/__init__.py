"""The API of apps: bundles, licences, and where an app stands on the tablets."""
