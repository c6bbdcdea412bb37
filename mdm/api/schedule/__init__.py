"""The API of schedules: timetables, calendars, exceptions, sessions, guardians' rules."""
