"""Backups: one encrypted archive of the database and the data folder, written, verified, and restored into an empty place."""
