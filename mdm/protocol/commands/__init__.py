"""One class per MDM command (Apple: Commands and Queries). What to send, how to read the answer; no queue, no database."""
