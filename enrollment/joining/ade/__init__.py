"""Apple's device assignment: which tablets Apple sends here out of their box, and the profile that sends them."""
