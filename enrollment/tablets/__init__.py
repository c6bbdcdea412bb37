"""The inventory and who holds which tablet."""
