"""What people do to tablets: lost mode, position, lock, wipe. Rules of custody live in enrollment."""
