"""Commands for the operator of the server, and checks for its developers. They call services and hold no rules."""
