"""What every chapter stands on: database, unit of work, settings, clock, ids, crypto, outbox, errors. No domain words."""
