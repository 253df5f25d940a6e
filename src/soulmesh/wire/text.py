"""Text on the wire: UTF-8, then Latin-1, and always the very same bytes back.

A file name is an identifier: whoever asks for a file must send the bytes that
were advertised. Old clients send Latin-1, which is no UTF-8, so such text
becomes a :class:`Latin1`, a ``str`` that remembers how it was written.
"""

from __future__ import annotations

__all__ = ["Latin1", "raw", "text"]


class Latin1(str):
    """Text that came in as Latin-1. It encodes to the bytes it was read from.

    It compares, hashes and prints as the text it shows. Cutting or joining it
    gives plain ``str``: go through :func:`raw` and :func:`text` when the bytes matter.
    """

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """The bytes that were read; ``encoding`` is taken as Latin-1 whatever it says."""
        return str.encode(self, "latin-1", errors)

    def __reduce__(self) -> tuple[type[Latin1], tuple[str]]:
        return Latin1, (str(self),)


def text(data: bytes) -> str:
    """Read text: strict UTF-8, else Latin-1, which accepts every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Latin1(data, "latin-1")


def raw(value: str) -> bytes:
    """The bytes of a text as they stand (or stood) on the wire.

    Raises:
        UnicodeEncodeError: a lone surrogate, which has no bytes.
    """
    return value.encode()
