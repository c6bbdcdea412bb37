"""Deterministic simulation: one seed drives clock, tablets, people and faults through the real services, in one thread.

`python -m tests.simulation SEED` runs one seed and prints its trace. See docs/adr/0077-a-seed-drives-the-fault-simulation.md.
"""
