"""The rollover from one school year to the next: previewed, applied in batches, undone until it is closed."""
