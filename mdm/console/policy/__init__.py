"""Pages of the policy: the documents of places as settings in words, and why a tablet has what it has."""
