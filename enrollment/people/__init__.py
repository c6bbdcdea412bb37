"""Pupils, and the roster files that name them."""
