"""Tablets that speak the real wire over real HTTPS. Shares no code with the server."""
