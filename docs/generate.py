"""Write docs/reference.md from the code, or with --check tell whether it is up to date."""

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import msgspec
import typer.core
import typer.main

from ritornello import cli, config, rank, recall, scenes, schema
from ritornello.data import sources
from ritornello.data.sources.simulator import world

TARGET = Path(__file__).with_name("reference.md")


def main() -> None:
    """Write the reference, or compare it with what is there."""
    text = "\n".join(reference()) + "\n"
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"docs/{TARGET.name} is not what the code says: run `make docs` and commit it")


def reference() -> Iterator[str]:
    """Yield the lines of the reference."""
    yield "# Reference"
    yield ""
    yield "Written by `make docs` from the code; `make check` compares. Do not edit."
    yield from components("Recall channels", "recall.settings.NAME", recall.CHANNELS)
    yield from components("Rankers", "rank.settings.TASK", rank.RANKERS)
    yield from components("Scenes", "--scene NAME", scenes.SCENES)
    yield from components("Sources", "--format NAME", sources.SOURCES)
    yield from configuration()
    yield from rules()
    yield from columns("Columns of a listening log", schema.EVENT_ALIASES)
    yield from columns("Columns of a catalogue", schema.TRACK_ALIASES)
    yield from commands()


def components(title: str, where: str, table: Mapping[str, str]) -> Iterator[str]:
    """Yield one section for a table of plug-ins: what each is, and its settings with their defaults."""
    yield from ("", f"## {title}", "", f"Chosen or set with `{where}`.", "")
    yield from ("| name | what it does | settings and defaults | code |", "|---|---|---|---|")
    for name, path in table.items():
        module_name, _, attribute = path.partition(":")
        module = importlib.import_module(module_name)
        component = getattr(module, attribute)
        yield f"| `{name}` | {sentence(component, module)} | {settings(component)} | `{module_name}` |"


def sentence(component: type, module: ModuleType) -> str:
    """Return the first sentence of a docstring, of the module where the class has none."""
    text = inspect.getdoc(component) or inspect.getdoc(module) or ""
    return escaped(text.split("\n\n")[0].replace("\n", " "))


def settings(component: type) -> str:
    """Return the fields of a component's Config with their defaults."""
    config_of = getattr(component, "Config", None)
    if config_of is None:
        return ""
    return ", ".join(f"`{name} = {toml(value)}`" for name, value in msgspec.structs.asdict(config_of()).items())


def toml(value: object) -> str:
    """Return a value as it stands in a TOML file; what TOML has no word for is left out there."""
    return "(unset)" if value is None else msgspec.json.encode(value).decode().replace(",", ", ")


def configuration() -> Iterator[str]:
    """Yield the sections of a configuration file."""
    yield from ("", "## Configuration", "")
    yield "`ritornello train WS --config FILE.toml --set section.key=value`; a key that is not here is an error."
    for name, value in msgspec.structs.asdict(config.Config()).items():
        if isinstance(value, msgspec.Struct):
            yield from ("", f"### [{name}]", "", inspect.cleandoc(type(value).__doc__ or ""), "")
            yield from ("| key | default |", "|---|---|")
            for key, default in msgspec.structs.asdict(value).items():
                yield f"| `{name}.{key}` | `{toml(default)}` |"
        else:
            yield from ("", f"`{name} = {toml(value)}` (top of the file)")


def rules() -> Iterator[str]:
    """Yield the rules of a simulated world, and its presets."""
    yield from ("", "## Rules of a simulated world", "")
    yield f"`ritornello simulate WS --set section.key=value`; version {world.VERSION}, hash {world.World().rules_hash}."
    yield "Presets: " + ", ".join(f"`{name}`" for name in world.PRESETS) + "."
    for name, value in msgspec.structs.asdict(world.World()).items():
        if isinstance(value, msgspec.Struct):
            yield from ("", f"### {name}", "", inspect.cleandoc(type(value).__doc__ or ""), "")
            yield from ("| key | default |", "|---|---|")
            for key, default in msgspec.structs.asdict(value).items():
                yield f"| `{name}.{key}` | `{toml(default)}` |"


def columns(title: str, aliases: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the known names of columns; the first one present wins."""
    yield from ("", f"## {title}", "", "| column | found under |", "|---|---|")
    for name, known in aliases.items():
        yield f"| `{name}` | {', '.join(f'`{alias}`' for alias in known)} |"


def commands() -> Iterator[str]:
    """Yield every command of the command line with its arguments and options."""
    yield from ("", "## Command line")
    group = typer.main.get_command(cli.app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        yield from ("", f"### ritornello {name}", "", command.help.split("\n\n")[0], "")
        yield from ("| argument | default | what it is |", "|---|---|---|")
        yield from (row_of(parameter) for parameter in command.params if parameter.name != "help")


def row_of(parameter: typer.core.TyperArgument | typer.core.TyperOption) -> str:
    """Return the row of one argument or option."""
    is_option = parameter.opts[-1].startswith("-")
    name = parameter.opts[-1] if is_option else parameter.metavar or parameter.name or ""
    default = "" if parameter.default in (None, []) else parameter.default
    return f"| `{escaped(name)}` | {'required' if parameter.required else default} | {escaped(parameter.help or '')} |"


def escaped(text: str) -> str:
    """Keep a bar from ending its cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
