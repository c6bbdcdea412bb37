"""The town's DNS resolver: the stores it looks names up in, its configuration, its two processes (dnsdist and Unbound) and their state."""
