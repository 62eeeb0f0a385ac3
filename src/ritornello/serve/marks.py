"""Marks: what tells a file, or a folder's entries, from what was there before, without reading it."""

from pathlib import Path

FileMark = tuple[int, int, int]


def identity(path: Path) -> FileMark:
    """Return what changes when a file is replaced, or an entry comes into a folder; zeros where there is nothing."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
