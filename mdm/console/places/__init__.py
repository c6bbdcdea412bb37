"""Pages of the town itself and of its schools."""
