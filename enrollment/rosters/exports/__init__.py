"""Roster exports: the product's own template, OneRoster 1.2, Apple School Manager. An export is complete or it is refused."""
