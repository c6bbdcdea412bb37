"""DELIVER: the order given to a tablet, and its answer. What should be delivered is decided in `profiles`."""
