"""Towns, schools and classes."""
