"""Measurements: figures, not assertions. `python -m bench` runs them all; results stand in bench/README.md."""
