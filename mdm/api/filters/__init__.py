"""The API of the web filter: imported lists, and why a site is blocked."""
