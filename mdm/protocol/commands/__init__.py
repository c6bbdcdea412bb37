"""One class per MDM command (Apple: Commands and Queries): its payload and how to parse its response. No queue, no database."""
