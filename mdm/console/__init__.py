"""Web pages for people: they call services, translate what these return, and hold no rules. One folder per chapter."""
