"""Policy as people write it: one document per place, presets that documents take in, and the life of their versions."""
