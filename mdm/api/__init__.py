"""REST, one router per chapter. A face: it calls services and holds no rules."""
