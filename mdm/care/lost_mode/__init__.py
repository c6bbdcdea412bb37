"""Lost mode: marking a tablet lost, its position, its recovery and the results of these commands. Erasing is in `erasing`."""
