"""The command queue: enqueue, claim, answer, expire, reap."""
