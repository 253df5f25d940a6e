"""What was said, on disk."""

from __future__ import annotations

from pathlib import Path

from soulmesh.client.chat_store import ChatStore
from tests.support.loops import real


@real
async def test_a_message_is_flushed_before_it_counts_as_received_and_a_line_of_a_room_is_not(
    tmp_path: Path,
) -> None:
    store = ChatStore(tmp_path / "chat.sqlite")
    await store.open()
    done: list[str] = []
    assert store._connection is not None
    store._connection.set_trace_callback(done.append)
    assert await store.add("eve", "eve", "hello", at=1.0, chat_id=7, sent=1) == 1
    assert await store.add("eve", "eve", "hello", at=1.0, chat_id=7, sent=1) is None
    await store.add("#quay", "eve", "hello all", at=2.0)
    modes = [statement.rpartition(" ")[2] for statement in done if "synchronous" in statement]
    assert modes == ["FULL", "FULL", "NORMAL"]
    assert [statement for statement in done if statement == "COMMIT"] == ["COMMIT"] * 3
    assert [line.text for line in await store.lines("eve")] == ["hello"]
    await store.close()
