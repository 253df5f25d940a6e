"""The whole Soulseek system in one package."""

__version__ = "0.1.0"
