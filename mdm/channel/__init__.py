"""The tablet's side of the conversation: check-in, connect, the request batcher."""
