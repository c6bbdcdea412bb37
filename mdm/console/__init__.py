"""Web pages for people. A face: it calls services and holds no rules."""
