"""``lading demo``: the main job end to end, on one machine and without the internet."""
