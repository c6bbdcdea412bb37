"""Pages of the server itself: what it does at this moment."""
