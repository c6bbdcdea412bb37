"""Erasing tablets: one at a time within the budget, many after a return campaign."""
