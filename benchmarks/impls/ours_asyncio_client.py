"""soulmesh on asyncio's own loop, for ``client.py``: as in a program that installs nothing else."""

from __future__ import annotations

from impls import ours_client

if __name__ == "__main__":
    ours_client.run(None)
