"""App bundles and whom they are given to."""
