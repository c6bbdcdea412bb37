"""Pages of tablets: the list, one tablet with its custody and history, and the desk where tablets are handed over."""
