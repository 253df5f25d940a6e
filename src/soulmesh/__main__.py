"""``python -m soulmesh``."""

from soulmesh.cli import main

main()
