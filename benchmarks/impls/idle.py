"""A process whose loop has nothing to do, for ``client.py``: what stalls it is the machine.

Each line on its input has it tell the longest stall since the line before, in milliseconds.
"""

from __future__ import annotations

import asyncio

from impls.node import Turn, Watch, listen, tell


async def main() -> None:
    watch = Watch()
    looking = asyncio.create_task(watch.look())
    tell(ready=0)
    async for _word, _number in listen():
        tell(stall=watch.worst.clock * 1000)
        watch.worst = Turn()
    looking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
