"""Towns, schools, school years and classes."""
