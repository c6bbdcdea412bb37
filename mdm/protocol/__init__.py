"""Apple's wire only: property lists, CMS, check-in, commands, declarations. No database, clock or web framework."""
