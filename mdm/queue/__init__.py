"""The command queue: enqueue, claim for delivery, store results, expire."""
