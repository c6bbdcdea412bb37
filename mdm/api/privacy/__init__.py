"""The API of privacy: data dictionary, retention, reports, the rights of the people concerned."""
