"""Settings: one commented TOML file, the environment, and options, the last one strongest.

A program declares its settings once, as sections of pydantic fields. From that one declaration come the
reading of all three sources, errors that name the key and where it was set, and the commented file that
teaches them::

    class Network(Section):
        server: str = Field(default="server.slsknet.org:2242", description="Where to log in.")

    class Settings(Root):
        network: Network = Field(default_factory=Network, description="Where to connect.")

    settings = load(Settings, file=path, prefix="SOULMESH_", options={"network.server": "127.0.0.1:2242"})

``network.server`` is ``server`` under ``[network]`` in the file, ``SOULMESH_NETWORK_SERVER`` in the
environment, and whatever a command calls its option.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from soulmesh.errors import ConfigError

__all__ = ["Root", "Section", "assignments", "keys", "kinds", "load", "template", "toml_value"]


class Section(BaseModel):
    """A group of settings. Unknown keys are errors; values do not change once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Root(BaseSettings):
    """All settings of a program: its fields are sections."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )


R = TypeVar("R", bound=Root)


def load(
    model: type[R],
    *,
    file: Path | None = None,
    prefix: str,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    over: Mapping[str, Any] | None = None,
    ignore: Iterable[str] = (),
    alternatives: Iterable[Iterable[str]] = (),
) -> R:
    """Read the settings of a program.

    Args:
        model: the declaration.
        file: the TOML file; ``None`` reads no file.
        prefix: what the names of environment variables begin with.
        environ: the environment, the process's own if not given.
        options: values by dotted key, stronger than the environment. ``None`` means that the option was not
            given. Text is read as it would be in the environment.
        over: the same for what was said where the program runs, the strongest source; what is wrong in it is
            told to who said it, so no source is named.
        ignore: variables with the prefix that belong to somebody else; a name that ends in an underscore
            stands for all that begin so.
        alternatives: groups of keys of which the strongest source decides: a password file named by an
            option beats a password written in the file, though the keys differ.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is wrong. It names the key and
            the source.
    """
    fields = keys(model)
    layers = [
        _from_options(fields, over or {}, ""),
        _from_options(fields, options or {}, "an option"),
        _from_environment(fields, prefix, os.environ if environ is None else environ, tuple(ignore)),
    ]
    if file is not None:
        layers.append(_from_file(fields, file))
    for key, value in (over or {}).items():
        if value is not None:
            # A table that was said takes the place of others; without this, the two would be merged.
            for layer in layers[1:]:
                layer.drop(tuple(key.split(".")))
    for group in alternatives:
        _let_the_strongest_decide(layers, [tuple(key.split(".")) for key in group])

    class Sourced(model):  # type: ignore[valid-type, misc]  # one class per load: its sources are arguments
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_args: Any, **_kwargs: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(InitSettingsSource(settings_cls, init_kwargs=layer.tree) for layer in layers)

    Sourced.__name__ = Sourced.__qualname__ = model.__name__
    try:
        settings: R = Sourced()
    except ValidationError as error:
        raise ConfigError(
            "; ".join(_explain(problem, layers, fields) for problem in error.errors(include_url=False))
        ) from None
    return settings


def keys(model: type[BaseModel], at: str = "") -> dict[str, FieldInfo]:
    """Every single setting by its dotted key."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is None:
            found[at + name] = field
        else:
            found |= keys(section, f"{at}{name}.")
    return found


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """Options of the form ``section.key=value`` by key.

    Raises:
        ConfigError: one without an equals sign.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{text!r} is no setting", hint="write section.key=value")
        found[key.strip()] = value.strip()
    return found


def template(model: type[BaseModel], values: Mapping[str, Any] | None = None, *, heading: str = "") -> str:
    """The commented TOML file: every key with its explanation and its default.

    Keys stand commented out, so that a later version may improve a default; those in ``values`` are set.
    """
    chosen = dict(values or {})
    unknown = [key for key in chosen if key not in keys(model)]
    if unknown:
        raise ConfigError(f"unknown setting {unknown[0]}")
    lines = [*_comment(heading), ""] if heading else []
    lines += _section_lines(model, "", chosen)
    return "\n".join(lines).rstrip() + "\n"


# -- sources --------------------------------------------------------------------------------------------


class _Layer:
    """What one source says, and what to call the source of a key."""

    def __init__(self, origin: str) -> None:
        self.tree: dict[str, Any] = {}
        self._origin = origin
        self._named: dict[str, str] = {}

    def put(self, key: str, value: Any, origin: str) -> None:
        *path, last = key.split(".")
        node = self.tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
        self._named[key] = origin

    def holds(self, path: tuple[str, ...]) -> bool:
        node: Any = self.tree
        for part in path:
            if not isinstance(node, Mapping) or part not in node:
                return False
            node = node[part]
        return True

    def drop(self, path: tuple[str, ...]) -> None:
        node: Any = self.tree
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, dict):
            node.pop(path[-1], None)

    def origin(self, key: str) -> str:
        return self._named.get(key, self._origin)


def _let_the_strongest_decide(layers: list[_Layer], group: list[tuple[str, ...]]) -> None:
    decided = False
    for layer in layers:
        if decided:
            for path in group:
                layer.drop(path)
        decided = decided or any(layer.holds(path) for path in group)


def _from_options(fields: Mapping[str, FieldInfo], options: Mapping[str, Any], origin: str) -> _Layer:
    layer = _Layer(origin)
    for key, value in options.items():
        if value is None:
            continue
        if key not in fields:
            raise ConfigError(f"unknown setting {key}", hint=_suggest(key, fields))
        layer.put(key, _value(key, fields[key], value) if isinstance(value, str) else value, origin)
    return layer


def _from_environment(
    fields: Mapping[str, FieldInfo], prefix: str, environ: Mapping[str, str], ignore: tuple[str, ...]
) -> _Layer:
    layer = _Layer("the environment")
    names = {prefix + key.replace(".", "_").upper(): key for key in fields}
    for name, text in environ.items():
        if not name.startswith(prefix) or any(
            name == other or (other.endswith("_") and name.startswith(other)) for other in ignore
        ):
            continue
        if name not in names:
            raise ConfigError(f"unknown environment variable {name}", hint=_suggest(name, names))
        layer.put(names[name], _value(f"${name}", fields[names[name]], text), f"${name}")
    return layer


def _from_file(fields: Mapping[str, FieldInfo], file: Path) -> _Layer:
    layer = _Layer(str(file))
    try:
        layer.tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    return layer


def _value(source: str, field: FieldInfo, text: str) -> Any:
    """Text from the environment or an option: lists and tables may be TOML, JSON or separated by commas."""
    kind = _container(field)
    if kind is None:
        return None if text == "" and _optional(field) else text
    if text.lstrip().startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            pass
        try:
            return tomllib.loads(f"it = {text}")["it"]
        except tomllib.TOMLDecodeError as error:
            # The text may hold a secret: it is not repeated.
            example = '{ "a" = "b" }, {"a": "b"} or a=b' if kind is dict else '["a", "b"] or a, b'
            raise ConfigError(f"{source}: neither TOML nor JSON: {error}", hint=f"write {example}") from None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind is dict:
        return dict(part.partition("=")[::2] for part in parts)
    return parts


def _explain(problem: Any, layers: list[_Layer], fields: Mapping[str, FieldInfo]) -> str:
    path = tuple(str(part) for part in problem["loc"])
    origin = next((layer for layer in layers if layer.holds(path)), None)
    key = ".".join(path)
    source = origin.origin(key) if origin is not None else ""
    where = f" (in {source})" if source else ""
    if problem["type"] == "extra_forbidden":
        guess = _suggest(key, fields)
        return f"unknown setting {key}{where}{f'; {guess}' if guess else ''}"
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {reason[:1].lower()}{reason[1:]}{where}"


def _suggest(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None


# -- what a field is ------------------------------------------------------------------------------------


def kinds(annotation: Any) -> Iterator[Any]:
    """The types of a field, unions taken apart."""
    arguments = typing.get_args(annotation)
    if arguments and typing.get_origin(annotation) not in (list, tuple, dict, set, frozenset):
        for argument in arguments:
            yield from kinds(argument)
    else:
        yield annotation


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _container(field: FieldInfo) -> type | None:
    for kind in kinds(field.annotation):
        origin = typing.get_origin(kind) or kind
        if origin is dict:
            return dict
        if origin in (list, tuple, set, frozenset):
            return list
    return None


def _optional(field: FieldInfo) -> bool:
    return type(None) in kinds(field.annotation)


# -- the file -------------------------------------------------------------------------------------------


def _section_lines(model: type[BaseModel], at: str, chosen: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    sections: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is not None:
            sections.append((name, field, section))
            continue
        lines += _comment(field.description or "")
        key = at + name
        if key in chosen:
            lines.append(f"{name} = {toml_value(chosen[key])}")
        else:
            default = field.get_default(call_default_factory=True)
            example = field.examples[0] if default is None and field.examples else default
            lines.append(f"#{name} = {toml_value('' if example is None else example)}")
        lines.append("")
    for name, field, section in sections:
        lines += [*_comment(field.description or ""), f"[{at}{name}]", ""]
        lines += _section_lines(section, f"{at}{name}.", chosen)
    return lines


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.strip().splitlines()]


def toml_value(value: Any) -> str:
    """A value as it stands in the file; secrets in plain."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(str(key))} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    # A TOML basic string escapes like JSON does, but for DEL, which JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
