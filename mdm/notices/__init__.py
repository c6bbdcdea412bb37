"""Notices: every alarm reaches somebody by mail or webhook, as each person has chosen, in digests instead of floods."""
