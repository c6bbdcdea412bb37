"""Pages of apps: bundles by grade, one bundle, the town's catalogue, licences and the accounts that they come from."""
