"""Waking tablets through APNs, paced. The only chapter that talks to Apple's push service."""
