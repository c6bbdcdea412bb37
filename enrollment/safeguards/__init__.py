"""What protects a town from one stolen session or one bad hour: a budget of what cannot be taken back, a stop switch, alarms."""
