"""soulmesh.daemon."""
