"""What tablets should be: situations, compiled configurations, previews and explanations."""
