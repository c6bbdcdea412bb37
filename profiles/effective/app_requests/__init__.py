"""Requests for apps: a teacher asks for a class, the head supports, the town decides after the data protection officer."""
