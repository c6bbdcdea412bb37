"""Tables of device enrollments and their state: identity, last contact, push token, declarative state. No logic."""
