"""The terminal: progress, and what goes wrong, on the error stream; results alone go to the output."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show progress bars on the terminal's error stream."""
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        yield progress


def one_line(error: Exception) -> str:
    """Return a message as one line that a terminal shows as it is, whatever a file or an option put into it."""
    text = " ".join(str(error).split())
    return escape("".join(character if character.isprintable() else "?" for character in text))
