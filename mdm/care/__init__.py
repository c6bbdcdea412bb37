"""What people do to tablets at a distance: lost mode, position, lock, erase, storage, overview. Rules of custody are in `enrollment`."""
