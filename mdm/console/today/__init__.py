"""The page on which a day begins."""
