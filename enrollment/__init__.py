"""KNOW: who and what exists: places, people, tablets, ways to join, identities. Nothing here decides policy."""
