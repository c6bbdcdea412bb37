"""The API of notices: the own choice, addresses outside, webhooks, what was sent."""
