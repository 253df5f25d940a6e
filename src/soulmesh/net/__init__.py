"""soulmesh.net."""
