"""Pages of the school year: the rollover of a town, and of one school with its classes."""
