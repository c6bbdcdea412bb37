"""People who sign in: accounts, their roles in towns, missions, passwords and access tokens."""
