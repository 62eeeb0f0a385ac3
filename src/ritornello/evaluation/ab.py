"""An A/B test on simulated listeners, with intervals that stay valid however often one looks, so that it may stop early.

Every listener lives once under each side, with the same luck; what counts is the difference of their listened minutes. One
listener is one observation, complete before it is looked at (see `sequential`). Simulated, always.
"""

from dataclasses import asdict
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.progress import Progress

from ritornello.artifacts import Workspace
from ritornello.bundle import current_version, list_bundles
from ritornello.data.simulate import world_folder
from ritornello.data.sources.simulator.generate import read_world
from ritornello.evaluation.closed_loop import Loop, check_scene, choose_listeners, run_loop
from ritornello.evaluation.loop_figures import figures_of
from ritornello.evaluation.loop_policies import POLICIES
from ritornello.evaluation.sequential import confidence_sequence
from ritornello.schema import USER_ID

AT_LEAST = 200
UNDECIDED = "undecided"


def compare(  # the options of the command, by their names
    workspace: Workspace,
    side_a: str,
    side_b: str,
    *,
    days: int,
    scene: str,
    listeners: int,
    processes: int,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Compare two bundles, or policies, until the interval of the difference leaves 0 or the listeners are used up.

    Raises:
        ValueError: when a side is unknown, both are the same, or the workspace holds no simulated world.
    """
    sides = tuple(check_side(workspace, side) for side in (side_a, side_b))
    if sides[0] == sides[1]:
        raise ValueError(f"A and B are both {sides[0]}: name two different ones")
    check_scene(scene)
    described = read_world(world_folder(workspace))
    id_U = choose_listeners(described.world, listeners)
    if len(id_U) < AT_LEAST:
        raise ValueError(f"{len(id_U)} listeners are too few: the interval says nothing before {AT_LEAST}")
    loop = Loop(root=workspace.root, policies=sides, days=days, scene=scene)
    difference_N, looks, seen = np.zeros(0), [], []
    lives = run_loop(loop, id_U, processes=processes, progress=progress, name="a/b")
    for lived in lives:
        seen.append(lived)
        difference_N = np.concatenate([difference_N, differences(lived, *sides)])
        look = confidence_sequence(difference_N, at_least=AT_LEAST).after(len(difference_N))
        if np.isfinite(look.low):
            looks.append(asdict(look))
        if look.low > 0 or look.high < 0:
            break
    lives.close()
    return {
        "protocol": "ab",
        "simulated": described.label,
        "a": sides[0],
        "b": sides[1],
        "scene": scene,
        "days": days,
        "figure": "listened minutes per listener, B less A",
        "looks": looks,
        "winner": winner(looks, sides),
        "listeners": len(difference_N),
        "most_listeners": len(id_U),
        # beside the one figure that decides: these intervals are those of a test whose end was fixed
        **figures_of(pl.concat(seen), sides, reference=sides[0]),
    }


def check_side(workspace: Workspace, side: str) -> str:
    """Return the name of a side: a bundle's version, `current`, or a policy.

    Raises:
        ValueError: when it is none of these.
    """
    versions = [version for version, _ in list_bundles(workspace)]
    name = current_version(workspace) if side == "current" else side
    if not name:
        raise ValueError(f"{workspace.root} has no trained bundle: run `ritornello train {workspace.root}` first")
    if name not in versions and name not in POLICIES:
        known = ", ".join([*versions, "current", *POLICIES])
        raise ValueError(f"{side!r} is no bundle and no policy; allowed are {known}")
    return name


def differences(lived: pl.DataFrame, side_a: str, side_b: str) -> NDArray[np.float64]:
    """Return each listener's minutes under B less those under A, in the order in which they were drawn."""
    column = "minutes"
    minutes = [lived.filter(pl.col("policy") == side).select(USER_ID, column) for side in (side_a, side_b)]
    assert minutes[0][USER_ID].equals(minutes[1][USER_ID]), "both sides have the same listeners"
    return cast(NDArray[np.float64], (minutes[1][column] - minutes[0][column]).to_numpy())


def winner(looks: list[dict[str, float]], sides: tuple[str, ...]) -> str:
    """Return the better side as of the last look."""
    if not looks or looks[-1]["low"] <= 0 <= looks[-1]["high"]:
        return UNDECIDED
    return sides[1] if looks[-1]["low"] > 0 else sides[0]
