"""People who sign in: accounts, roles, scopes, tokens."""
