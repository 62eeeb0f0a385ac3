"""Plug-ins: tables of names and "module:Class" paths; a class is imported when somebody asks for it."""

from collections.abc import Mapping
from importlib import import_module

import msgspec


def find(kind: str, name: str, table: Mapping[str, str], *, also: tuple[str, ...] = ()) -> type:
    """Return the class of that name in a table, or of a "module:Class" path.

    Raises:
        ValueError: for a name that is neither, or a path that leads to no class.
    """
    path = table.get(name, name)
    if ":" not in path:
        raise ValueError(f"unknown {kind} {name!r}: allowed are {', '.join((*also, *table))}, or module:Class")
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} cannot be loaded: {error}") from error
    if not isinstance(found, type):
        raise ValueError(f"{kind} {name!r} is no class")
    return found


def configured(component: type, settings: Mapping[str, object] | None, *, where: str) -> object:
    """Build a component with its defaults overridden by `settings`.

    Raises:
        ValueError: for a class without a Config, or a setting it does not have.
    """
    config_of = getattr(component, "Config", None)
    if config_of is None:
        raise ValueError(f"{where}: {component.__name__} declares no Config, so that it cannot be set up")
    try:
        return component(msgspec.convert(settings or {}, config_of))
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}; allowed are {', '.join(config_of.__struct_fields__)}") from error
