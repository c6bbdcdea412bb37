"""Erasing tablets: one at a time with quotas, many after a return campaign, and the town's stop switch for both."""
