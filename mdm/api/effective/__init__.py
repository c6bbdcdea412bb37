"""The API that explains what holds on a tablet and why."""
