"""The web filter: imported lists of categories, the verdict on a host, and the payloads that carry it."""
