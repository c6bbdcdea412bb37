"""The API of places: towns, schools, classes."""
