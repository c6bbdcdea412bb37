"""What waits for a person in a town: counts, dates, and the figures of each day."""
