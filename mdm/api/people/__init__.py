"""The API of people: those of one school, roster imports and exports."""
