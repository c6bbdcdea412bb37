"""Pages of accounts: sign-in, the own password and sessions, and the accounts of a town for its administrators."""
