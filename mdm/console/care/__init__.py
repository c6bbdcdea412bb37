"""Pages of care: erasing returned tablets in bulk. Lost mode is part of a tablet's page in `console/tablets`."""
