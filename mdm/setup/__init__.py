"""The first day of a server and of a town: the first account, and what is still to be done."""
