"""Helpers of the tests: servers, databases, factories."""
