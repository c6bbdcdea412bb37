"""The search over people, places, tablets and apps of a town."""
