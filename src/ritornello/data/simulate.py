"""A simulated world as a workspace: generated beside the log, then ingested like any other one.

The world, and the truth about its listeners, stay in `WS/simulated`; the workspace's own tables hold no more than a service
would know.
"""

from pathlib import Path

from rich.progress import Progress

from ritornello.artifacts import Workspace, hash_file, replace_folder
from ritornello.data.ingest import ingest
from ritornello.data.parts import parts_of
from ritornello.data.sources.simulator.generate import Generated, generate, generated, read_world
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS

SIMULATED = "simulated"


def world_folder(workspace: Workspace) -> Path:
    """Return where a workspace keeps the world that its log was simulated in."""
    return workspace.root / SIMULATED


def simulated_mark(workspace: Workspace) -> dict[str, str]:
    """Return what results on a workspace's log have to carry: the label of its world; nothing for a real log.

    Raises:
        ValueError: when the description of the world is damaged.
    """
    folder = world_folder(workspace)
    return {SIMULATED: read_world(folder, any_rules=True).label} if folder.is_dir() else {}


def is_same_catalogue(folder: Path, kept: str | None, given: Path | None) -> bool:
    """Tell whether a world was built over this very catalogue."""
    if kept is None or given is None:
        return kept is None and given is None
    return given.is_file() and hash_file(folder / kept) == hash_file(given)


def simulate(
    workspace: Workspace,
    world: World,
    *,
    given: Path | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Simulate a world into a workspace that holds nothing yet, or finish what an interrupted run began.

    Raises:
        ValueError: when the workspace holds another log or another world.
    """
    folder = world_folder(workspace)
    if folder.is_dir():
        known = read_world(folder)
        if known.world != world or not is_same_catalogue(folder, known.given, given):
            raise ValueError(f"{workspace.root} holds another world ({known.label}): simulate into a new workspace")
    elif parts_of(workspace.events) or parts_of(workspace.catalogue / "tracks"):
        raise ValueError(f"{workspace.root} holds a log already: simulate into a new workspace")
    else:
        with workspace.lock(), replace_folder(folder) as fresh:
            generate(world, fresh, given=given, processes=processes, progress=progress)
    made = generated(folder)
    now_ms = world.start_ms + (world.days + 1) * ONE_DAY_MS  # a world may reach beyond today
    ingest(workspace, made.table_files, kind="catalogue", progress=progress)
    ingest(workspace, made.event_files, progress=progress, now_ms=now_ms)
    return made
