"""The REST API: one package per chapter, which calls services and holds no rules."""
