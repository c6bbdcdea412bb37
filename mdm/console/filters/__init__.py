"""Console pages of the web filter: the lists of a town."""
