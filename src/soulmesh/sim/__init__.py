"""soulmesh.sim."""
