"""Plain values in, bytes out: Apple profiles. Pure."""
