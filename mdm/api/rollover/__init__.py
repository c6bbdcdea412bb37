"""The API of the rollover to the next school year."""
