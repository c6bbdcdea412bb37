"""Pages of accounts: sign-in, the own password, the own sessions."""
