"""What stands beside a saved index: which index wrote it, and of which training its vectors are."""

from pathlib import Path

import msgspec

FORMAT = 2  # raise it with every change to what an index writes


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of index.json."""

    index: str
    version: str
    format: int = FORMAT


def write_facts(folder: Path, facts: Facts) -> None:
    """Write index.json."""
    (folder / "index.json").write_bytes(msgspec.json.encode(facts))


def read_facts(folder: Path, index: str) -> Facts:
    """Read index.json.

    Raises:
        ValueError: when the folder holds no index, one of another kind or of another format.
    """
    try:
        facts = msgspec.json.decode((folder / "index.json").read_bytes(), type=Facts)
    except OSError as error:
        raise ValueError(f"{folder} holds no index: index.json cannot be read; build the index and save it") from error
    except msgspec.DecodeError as error:
        raise ValueError(f"the index in {folder} is corrupt: index.json says {error}; build it again") from error
    if (facts.index, facts.format) != (index, FORMAT):
        found = f"{facts.index!r} of format {facts.format}"
        raise ValueError(f"the index in {folder} is {found}: {index!r} of format {FORMAT} is allowed; build it again")
    return facts


def refuse_mapped(*, is_mapped: bool) -> None:
    """Refuse to change an index whose memory other processes share.

    Raises:
        ValueError: when it is mapped.
    """
    if is_mapped:
        raise ValueError(
            "the index was loaded with mmap=True, which is read-only: load it with mmap=False to change it"
        )
