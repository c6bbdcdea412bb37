"""The server's side of the MDM protocol: check-in messages, the connect loop, and the batcher that answers both."""
