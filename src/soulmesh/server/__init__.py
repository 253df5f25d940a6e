"""soulmesh.server."""
