"""The catalogue of settings: type, merge rule, platform support and texts of each. Pure."""
