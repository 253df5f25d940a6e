"""soulmesh.core."""
