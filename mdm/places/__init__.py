"""What is done to a school with everything that is in it: people, tablets, rules and roles together."""
