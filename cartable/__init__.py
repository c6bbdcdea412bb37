"""What every chapter stands on: database, unit of work, settings, clock, ids, crypto, outbox, errors. No domain words."""

#: The one place of the version: packaging, `cartable --version` and the API's description read it here.
__version__ = "0.1.0"
