"""Pages of tablets: the list, one tablet with its custody and history, signing in, and the desk where tablets are handed over."""
