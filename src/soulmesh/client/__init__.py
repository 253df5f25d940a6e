"""soulmesh.client."""
