"""The API of accounts: sign-in, accounts with their roles, missions of shared technicians."""
