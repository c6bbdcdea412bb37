"""Pages of apps: bundles by grade, one bundle, the town's catalogue."""
