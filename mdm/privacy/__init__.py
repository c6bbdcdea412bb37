"""Personal data: the data dictionary, retention, export and erasure of one child, requests, notices, breach reports."""
