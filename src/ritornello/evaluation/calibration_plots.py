"""The calibration as pictures: how simulated listening is distributed, with the real logs beside it where they are given.

The same distributions give the same bytes, so that a picture changes only when what it shows does.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ritornello.evaluation.calibration import Observed
from ritornello.evaluation.listening_statistics import Distribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLED = ("default", "scrobbles_sampled")
SERVICES = (("default", "service"), ("quick_skips", "service"))
REAL_NAMES = {"30music": "real: 30Music, sampled sessions", "situnes": "real: SiTunes, 30 users"}
ALLOWED = "allowed is what `benchmarks/real_statistics.py --json FILE` writes"
COLOURS = ("#1f6f8b", "#e07a5f")
REAL_COLOUR = "#333333"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What one picture shows: a distribution of some simulated worlds and of a real log."""

    distribution: str
    title: str
    x_label: str
    y_label: str
    worlds: tuple[tuple[str, str], ...]
    real: str
    is_log: bool = False
    is_per_unit: bool = False  # bins of unequal width are shown by their height per unit


PICTURES = {
    "return_time": Picture(
        distribution="return_log10_hours",
        title="How long until the same track is played again",
        x_label="hours since its last play, log10",
        y_label="share of repeats",
        worlds=(SAMPLED,),
        real="30music",
    ),
    "session_length": Picture(
        distribution="session_plays",
        title="How long sessions are",
        x_label="plays of a session",
        y_label="share of sessions, per play",
        worlds=(SAMPLED,),
        real="30music",
        is_log=True,
        is_per_unit=True,
    ),
    "popularity": Picture(
        distribution="track_share_by_rank",
        title="How plays spread over tracks",
        x_label="rank of the track",
        y_label="share of all plays",
        worlds=(SAMPLED,),
        real="30music",
        is_log=True,
    ),
    "listened_share": Picture(
        distribution="listened_share",
        title="How far a play is listened",
        x_label="listened share of the track",
        y_label="share of plays",
        worlds=SERVICES,
        real="situnes",
    ),
}


Real = dict[str, dict[str, Distribution]]
Worlds = dict[tuple[str, str], Observed]


class RealFile(msgspec.Struct, frozen=True):
    """What is read of a file that `benchmarks/real_statistics.py` wrote: distributions by set and name."""

    distributions: Real


def check(folder: Path | None, real: Path | None) -> None:
    """Refuse, before any work, what could not be drawn.

    Raises:
        ValueError: when matplotlib is missing, the folder is a file, or the real distributions have no folder or no sense.
    """
    if folder is None:
        if real is not None:
            raise ValueError(f"--real is {real}, but nothing is drawn: --plots DIR says where to")
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("--plots needs matplotlib, which is missing: install `ritornello[page]`")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--plots is {folder}: a file; allowed is a folder")
    read_real(real)


def read_real(path: Path | None) -> Real:
    """Read the distributions of real logs, by set and name; none without a file.

    Raises:
        ValueError: when the file cannot be read or is not one that `benchmarks/real_statistics.py` wrote.
    """
    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes(), type=RealFile).distributions
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"--real is {path}, which cannot be read ({error}): {ALLOWED}") from error
    for name, binned in found.items():
        for key, one in binned.items():
            if not one.share or len(one.edge) != len(one.share) + 1:
                raise ValueError(
                    f"--real is {path}: {name}.{key} has {len(one.edge)} edges and {len(one.share)} bins: {ALLOWED}"
                )
    return found


def draw(worlds: Worlds, real: Real, folder: Path) -> list[Path]:
    """Write the pictures into a folder; what neither a world nor a real log has is left out."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in PICTURES.items():
        curves = list(curves_of(picture, worlds, real))
        if not curves:
            continue
        with matplotlib.rc_context({"svg.hashsalt": "ritornello", "axes.unicode_minus": False, "font.size": 9.0}):
            figure = Figure(figsize=(6.4, 3.6), layout="constrained")
            FigureCanvasSVG(figure)
            axes = figure.add_subplot()
            for colour, label, distribution in curves:
                trace(axes, picture, distribution, label=label, colour=colour)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set(title=picture.title, xlabel=picture.x_label, ylabel=picture.y_label)
            axes.legend(frameon=False, fontsize=8.0)
            path = folder / f"{name}.svg"
            figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        written.append(path)
    return written


def curves_of(picture: Picture, worlds: Worlds, real: Real) -> Iterator[tuple[str, str, Distribution]]:
    """Yield colour, label and values of each curve that there is something to draw of."""
    known = [world for world in picture.worlds if world in worlds]
    for colour, world in zip(COLOURS, known, strict=False):
        observed = worlds[world]
        if picture.distribution in observed.distributions:
            yield colour, observed.label, observed.distributions[picture.distribution]
    if picture.distribution in real.get(picture.real, {}):
        yield REAL_COLOUR, REAL_NAMES[picture.real], real[picture.real][picture.distribution]


def trace(axes: "Axes", picture: Picture, distribution: Distribution, *, label: str, colour: str) -> None:
    """Draw one distribution: steps over its bins, or on two logarithmic axes a line through their middles."""
    edge, share = np.array(distribution.edge), np.array(distribution.share)
    if picture.is_per_unit:
        share = share / np.diff(edge)
    if not picture.is_log:
        axes.stairs(share, edge, color=colour, label=label, linewidth=1.6)
        return
    is_there = share > 0
    middle = np.sqrt(edge[:-1] * (edge[1:] - 1.0))  # edges are whole numbers, and the last of a bin belongs to the next
    axes.loglog(middle[is_there], share[is_there], color=colour, label=label, linewidth=1.6, marker="o", markersize=2.5)
