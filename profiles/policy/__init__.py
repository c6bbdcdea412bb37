"""Policy as authored, per place."""
