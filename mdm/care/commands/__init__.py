"""Commands that people give to one tablet or to many: kinds, who can receive them, delivery in bulk. Lost mode and erasing are beside it."""
