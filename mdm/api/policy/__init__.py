"""The API of policy: the settings, and what places set."""
