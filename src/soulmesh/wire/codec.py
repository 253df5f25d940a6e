"""Declarations compiled to straight-line code at first use.

For every message a reader and a writer are generated from its fields.
Neighbouring numbers, and the length of the text that follows them, are read or
written by one :mod:`struct` call; structures inside lists are built in place.
The code checks as little as it can: reading past the end raises by itself, and
whatever goes wrong is then explained by :mod:`soulmesh.wire.careful`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from soulmesh.wire.careful import packed_address
from soulmesh.wire.fields import Field, Kind, ListOf, StructOf, fields, least_size
from soulmesh.wire.message import Struct
from soulmesh.wire.text import Latin1
from soulmesh.wire.types import Address, Blob, Fixed, Rest, Text, When

__all__ = ["Unreadable", "compile_init", "compile_reader", "compile_writer"]

_UNROLLED = 4
"""Lists of up to so many small fixed structures (attributes of a file) are written without a loop."""

_SHARED = 5
"""Lists of up to so many small fixed structures are shared with equal lists."""

_KNOWN = 4096
"""How many such lists are remembered."""


class Unreadable(Exception):
    """Something is wrong with the bytes; the careful reader tells what."""


def compile_init(cls: type[Struct]) -> None:
    """Give ``cls`` the ``__init__`` that its fields ask for."""
    defaults = cls._defaults
    names = cls.__match_args__
    arguments = "".join(f", {n}={defaults[n]!r}" if n in defaults else f", {n}" for n in names)
    body = "".join(f"    self.{n} = {n}\n" for n in names) or "    pass\n"
    namespace: dict[str, Any] = {}
    exec(f"def __init__(self{arguments}):\n{body}", namespace)
    cls.__init__ = namespace["__init__"]  # type: ignore[method-assign]


def compile_reader(cls: type[Struct]) -> Callable[[bytes, int], tuple[Any, int]]:
    """A function ``(data, position) -> (value, position after it)``; ``data`` ends where the message ends.

    The function raises :class:`Unreadable` or ``struct.error`` for bytes that are no ``cls``.
    """
    source = _Source("def read(b, pos):", "end = len(b)")
    source.struct_reader(cls, "m", "")
    source("if pos > end: raise Unreadable", "return m, pos")
    reader: Callable[[bytes, int], tuple[Any, int]] = source.function("read")
    return reader


def compile_writer(cls: type[Struct]) -> Callable[[Any], bytes]:
    """A function ``(value) -> bytes`` of the body.

    It raises whatever Python raises for values that do not fit; :func:`soulmesh.wire.careful.explain_value`
    words it.
    """
    source = _Source("def write(m):")
    source.struct_writer(cls)
    writer: Callable[[Any], bytes] = source.function("write")
    return writer


def _blob(value: bytes | bytearray | memoryview) -> bytes:
    # bytes(n) would be n zeros.
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes are needed")
    return bytes(value)


class _Source:
    """Generated source, its indentation, and the names it uses."""

    def __init__(self, head: str, *first: str) -> None:
        self.lines = [head]
        self.depth = 1
        self.names: dict[str, Any] = {
            "Unreadable": Unreadable,
            "Latin1": Latin1,
            "new": object.__new__,
            "join": b"".join,
            "unpack_from": struct.unpack_from,
            "iter_unpack": struct.iter_unpack,
            "pack": struct.pack,
            "packed_address": packed_address,
            "blob": _blob,
        }
        self.counter = 0
        self.run: list[tuple[str, str]] = []  # fixed-width values not yet read or written: (name, format)
        self.after: list[str] = []  # statements that need the values of the run
        self.parts: list[str] = []  # expressions of bytes not yet added to the list
        self.listing = False  # whether the writer collects its parts in a list
        self(*first)

    def __call__(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    def name(self, hint: str) -> str:
        self.counter += 1
        return f"{hint}{self.counter}"

    def struct(self, form: str, method: str) -> str:
        known = f"{method}_{form.replace('?', 't')}"
        self.names.setdefault(known, getattr(struct.Struct(f"<{form}"), method))
        return known

    def function(self, name: str) -> Any:
        exec(compile("\n".join(self.lines), f"<soulmesh {name}>", "exec"), self.names)
        return self.names[name]

    # -- reading -----------------------------------------------------------

    def fetch(self) -> None:
        """Read the pending run of fixed-width values by one call."""
        if self.run:
            form = "".join(letter for _, letter in self.run)
            targets = "".join(f"{name}, " for name, _ in self.run)
            size = struct.calcsize(f"<{form}")
            self(f"{targets}= {self.struct(form, 'unpack_from')}(b, pos)", f"pos += {size}")
            self.run.clear()
        self(*self.after)
        self.after.clear()

    def struct_reader(self, cls: type[Struct], target: str, prefix: str) -> None:
        """Read the fields of ``cls`` and build it as ``target``."""
        declared = fields(cls)
        several_late = sum(f.late for f in declared) > 1
        if several_late:
            self("more = True")
        variables = {f.name: f"{prefix}{f.name}_" for f in declared}
        open_conditions: tuple[Any, ...] = ()
        for field in declared:
            variable = variables[field.name]
            if field.conditions != open_conditions and open_conditions:
                self.fetch()
                self.depth -= 1
                open_conditions = ()
            if field.conditions and not open_conditions:
                self.fetch()
                group = [f for f in declared if f.conditions == field.conditions]
                self(" = ".join(variables[f.name] for f in group) + " = None")
                tests = [_condition(variables[c.field], c) for c in field.conditions]
                self(f"if {' and '.join(tests)}:")
                self.depth += 1
                open_conditions = field.conditions
            if field.late:
                self.fetch()
                guard = f"end - pos >= {least_size(field.kind)}"
                self(f"{variable} = None", f"if {'more and ' if several_late else ''}{guard}:")
                self.depth += 1
                self.field_reader(field, variable, variables)
                self.fetch()
                self.depth -= 1
                if several_late:
                    self("else: more = False")
            else:
                self.field_reader(field, variable, variables)
        self.fetch()
        if open_conditions:
            self.depth -= 1
        self.build(cls, target, [variables[f.name] for f in declared])

    def build(self, cls: type[Struct], target: str, values: list[str]) -> None:
        self.names[cls.__name__] = cls
        self(f"{target} = new({cls.__name__})")
        self(*(f"{target}.{name} = {value}" for name, value in zip(cls.__match_args__, values, strict=True)))

    def field_reader(self, field: Field, variable: str, variables: dict[str, str]) -> None:
        if field.short:
            self.fetch()
            size = struct.calcsize(f"<{field.short}")
            short = self.struct(field.short, "unpack_from")
            self(f"if end - pos == {size}: {variable}, = {short}(b, pos); pos = end", "else:")
            self.depth += 1
            self.value_reader(field.kind, variable)
            self.fetch()
            self.depth -= 1
            return
        self.value_reader(field.kind, variable)
        if field.mended:
            self.after.append(f"if {variable} >= 0xFFFFFFFF00000000: {variable} &= 0xFFFFFFFF")
        if field.parallel is not None:
            self.fetch()
            self(f"if len({variable}) > len({variables[field.parallel]} or ()): raise Unreadable")

    def value_reader(self, kind: Kind, variable: str) -> None:
        match kind:
            case Fixed(letter):
                self.run.append((variable, letter))
            case Address():
                d, c, b, a = (self.name("a") for _ in range(4))
                self.run += [(d, "B"), (c, "B"), (b, "B"), (a, "B")]
                self.after.append(f'{variable} = f"{{{a}}}.{{{b}}}.{{{c}}}.{{{d}}}"')
            case Rest():
                self.fetch()
                self("if pos > end: raise Unreadable", f"{variable} = b[pos:]", "pos = end")
            case Text() | Blob():
                self.run.append((size := self.name("n"), "I"))
                self.fetch()
                self(f"if {size}:")
                self.depth += 1
                self(f"stop = pos + {size}", f"{variable} = b[pos:stop]")
                if isinstance(kind, Text):
                    self(
                        f"try: {variable} = {variable}.decode()",
                        f'except UnicodeDecodeError: {variable} = Latin1({variable}, "latin-1")',
                    )
                else:
                    self("if stop > end: raise Unreadable")
                self("pos = stop")
                self.depth -= 1
                empty = '""' if isinstance(kind, Text) else 'b""'
                self(f"else: {variable} = {empty}")
            case StructOf(cls):
                self.struct_reader(cls, variable, self.name("s"))
            case ListOf(element):
                self.run.append((count := self.name("n"), "I"))
                self.fetch()
                self.list_reader(element, variable, count)

    def list_reader(self, element: Kind, variable: str, count: str) -> None:
        size = least_size(element)
        self(f"if {count} * {size} > end - pos: raise Unreadable")
        letters = _letters(element)
        if letters and not isinstance(element, StructOf):
            self(f'{variable} = list(unpack_from(f"<{{{count}}}{letters}", b, pos))')
            self(f"pos += {count} * {size}")
            return
        if letters and isinstance(element, StructOf):
            self.small_list_reader(element.struct, letters, variable, count, size)
            return
        item = self.name("v")
        add = self.name("add")
        self(f"{variable} = []", f"{add} = {variable}.append", f"for _ in range({count}):")
        self.depth += 1
        self.value_reader(element, item)
        self.fetch()
        self(f"{add}({item})")
        self.depth -= 1

    def small_list_reader(
        self, cls: type[Struct], letters: str, variable: str, count: str, size: int
    ) -> None:
        """A list of structures of fixed width.

        The short ones are the attributes of files, and a few thousand different lists of them
        describe most files in the world. Each is built once and shared, as a tuple, which
        nobody can change. On a reply of 100,000 files this halves the time.
        """
        known = self.name("known")
        self.names[known] = {}
        values = [self.name("x") for _ in range(len(letters))]
        item = self.name("o")
        self(
            f"if not {count}: {variable} = []",
            f"elif {count} > {_SHARED} or not ({variable} := {known}.get(b[pos : pos + {count} * {size}])):",
        )
        self.depth += 1
        self(f"stop = pos + {count} * {size}", f"{variable} = []")
        self(f'for {", ".join(values)}, in iter_unpack("<{letters}", b[pos:stop]):')
        self.depth += 1
        self.build(cls, item, values)
        self(f"{variable}.append({item})")
        self.depth -= 1
        self(
            f"if {count} <= {_SHARED}:",
            f"    if len({known}) >= {_KNOWN}: {known}.clear()",
            f"    {known}[b[pos:stop]] = {variable} = tuple({variable})",
        )
        self.depth -= 1
        self(f"pos += {count} * {size}")

    # -- writing -----------------------------------------------------------

    def put(self) -> None:
        """Turn the pending run of fixed-width values into one expression."""
        if self.run:
            form = "".join(letter for _, letter in self.run)
            values = ", ".join(name for name, _ in self.run)
            self.parts.append(f"{self.struct(form, 'pack')}({values})")
            self.run.clear()

    def add(self) -> None:
        """Add all pending expressions to the list of parts."""
        self.put()
        if self.parts:
            self(f"add({' + '.join(self.parts)})")
            self.parts.clear()

    def struct_writer(self, cls: type[Struct]) -> None:
        self.listing = _needs_list(cls)
        if self.listing:
            self("out = []", "add = out.append")
        self.fields_writer(cls, "m")
        if self.listing:
            self.add()
            self("return join(out)")
        else:
            self.put()
            self("return " + (" + ".join(self.parts) or 'b""'))

    def fields_writer(self, cls: type[Struct], owner: str) -> None:
        declared = fields(cls)
        if any(f.late for f in declared):
            self("gap = False")
        for field in declared:
            if not field.optional:
                self.value_writer(field.kind, f"{owner}.{field.name}")
                self.parallel_writer(field, f"{owner}.{field.name}", owner)
                continue
            self.add()
            variable = self.name("v")
            self(f"{variable} = {owner}.{field.name}")
            if field.conditions:
                tests = [_condition(f"{owner}.{c.field}", c) for c in field.conditions]
                self(f"if not ({' and '.join(tests)}):")
                self(f"    if {variable} is not None: raise Unreadable", "else:")
                self.depth += 1
            if field.late:
                self(f"if {variable} is None: gap = True", "else:")
                self.depth += 1
                self("if gap: raise Unreadable")
            self.value_writer(field.kind, variable)
            self.parallel_writer(field, variable, owner)
            self.add()
            self.depth -= bool(field.conditions) + field.late

    def parallel_writer(self, field: Field, value: str, owner: str) -> None:
        if field.parallel is not None:
            self(f"if len({value}) > len({owner}.{field.parallel} or ()): raise Unreadable")

    def value_writer(self, kind: Kind, value: str) -> None:
        match kind:
            case Fixed(letter):
                self.run.append((value, letter))
            case Address():
                self.put()
                self.parts.append(f"packed_address({value})")
            case Rest():
                self.put()
                self.parts.append(f"blob({value})")
            case Text() | Blob():
                data = self.name("t")
                self(f"{data} = {value}.encode()" if isinstance(kind, Text) else f"{data} = blob({value})")
                self.run.append((f"len({data})", "I"))
                self.put()
                self.parts.append(data)
            case StructOf(cls):
                owner = self.name("o")
                self(f"{owner} = {value}")
                self.fields_writer(cls, owner)
            case ListOf(element):
                items = self.name("l")
                self(f"{items} = {value}")
                self.list_writer(element, items)

    def list_writer(self, element: Kind, items: str) -> None:
        letters = _letters(element)
        if letters and not isinstance(element, StructOf):
            self.put()
            self.parts.append(f'pack(f"<I{{len({items})}}{letters}", len({items}), *{items})')
            return
        if letters and isinstance(element, StructOf):
            self.small_list_writer(element.struct, letters, items)
            return
        if isinstance(element, Text):
            # A text is a sequence of texts too, and never what was meant.
            self(f"if isinstance({items}, str): raise Unreadable")
        self.run.append((f"len({items})", "I"))
        self.add()
        item = self.name("e")
        self(f"for {item} in {items}:")
        self.depth += 1
        self.value_writer(element, item)
        self.add()
        self.depth -= 1

    def small_list_writer(self, cls: type[Struct], letters: str, items: str) -> None:
        self.put()
        data = self.name("d")
        self(f"n = len({items})")
        names = cls.__match_args__
        for number in range(1, _UNROLLED + 1):
            owners = [self.name("o") for _ in range(number)]
            values = ", ".join(f"{owner}.{name}" for owner in owners for name in names)
            write = self.struct("I" + letters * number, "pack")
            self(f"{'if' if number == 1 else 'elif'} n == {number}:")
            self(f"    {', '.join(owners)}, = {items}", f"    {data} = {write}({number}, {values})")
        values = ", ".join(f"o.{name}" for name in names)
        form = self.struct(letters, "pack")
        count = self.struct("I", "pack")
        self(f"else: {data} = {count}(n) + join([{form}({values}) for o in {items}])")
        self.parts.append(data)


def _condition(value: str, when: When) -> str:
    """The expression that asks whether ``value`` meets a condition."""
    if isinstance(when.value, bool):
        # What is written as a yes counts as one: any true value.
        return value if when.value is when.equal else f"not {value}"
    return f"{value} {'==' if when.equal else '!='} {when.value!r}"


def _letters(kind: Kind) -> str:
    """The :mod:`struct` letters of a kind that is all numbers, else nothing."""
    match kind:
        case Fixed(letter):
            return letter
        case StructOf(cls):
            letters = [_letters(f.kind) for f in fields(cls) if not f.optional and not f.mended]
            return "".join(letters) if len(letters) == len(fields(cls)) and all(letters) else ""
        case _:
            return ""


def _needs_list(cls: type[Struct]) -> bool:
    """Whether the number of parts is not known beforehand."""
    for field in fields(cls):
        if field.optional:
            return True
        if isinstance(field.kind, ListOf) and (
            isinstance(field.kind.element, Text | Blob | Address | ListOf) or not _letters(field.kind.element)
        ):
            return True
        if isinstance(field.kind, StructOf) and _needs_list(field.kind.struct):
            return True
    return False
