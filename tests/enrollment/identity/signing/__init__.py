"""Tests of the process that has the key of the device CA."""
