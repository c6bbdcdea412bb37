"""Timetable and calendar, and the mode of a tablet at an instant."""
