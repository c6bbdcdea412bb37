"""Pages of people: importing and exporting rosters."""
