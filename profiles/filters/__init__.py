"""Web filter lists."""
