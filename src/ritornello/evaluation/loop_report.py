"""What came out of simulated worlds, as tables for people; each of them says so."""

from typing import Any, cast

from rich.console import Console
from rich.table import Table

from ritornello.evaluation.loop_figures import ALL

Figures = dict[str, Any]
# Tables of figures, each of which fits into 80 columns: name, header, digits.
TABLES = (
    (("minutes_per_session", "minutes/session", 1), ("skip_rate", "skips", 3), ("likes_per_100_plays", "likes/100", 2)),
    (
        ("plays_per_session", "plays/session", 1),
        ("repeat_share", "repeats", 2),
        ("artists_per_play", "artists/play", 2),
    ),
    (("new_artists_found", "new artists found", 2), ("new_artists_kept", "new artists kept", 2)),
)
BY_GROUP = "minutes_per_session"
PLAIN: Figures = {"box": None, "pad_edge": False, "padding": (0, 2, 0, 0)}


def show(figures: dict[str, object], console: Console) -> None:
    """Print the closed loop or the off-policy check."""
    if figures["protocol"] == "off_policy":
        show_off_policy(cast(Figures, figures), console)
    else:
        show_loop(cast(Figures, figures), console)


def show_loop(figures: Figures, console: Console) -> None:
    """Print what each policy does for listeners, for each group of them, and against the reference."""
    stats = figures["stats"]
    console.print(
        f"closed loop, {figures['simulated']}: {stats['listeners']:,} listeners, {stats['newcomers']:,} of them newcomers, "
        f"{stats['days']} days, scene {figures['scene']}"
    )
    console.print("simulated: mean with 95 % interval over listeners")
    show_tables(figures["results"], console)
    console.print("skips, likes, repeats, artists: of what was offered and played; new artists: per listener")
    show_groups(figures, console)
    if figures["regret"]:
        behind = ", ".join(
            f"{name} {one['value']:.1f} ({one['low']:.1f} to {one['high']:.1f})"
            for name, one in figures["regret"].items()
        )
        console.print(f"simulated: minutes a session behind the oracle: {behind}")
    console.print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in figures["seconds"].items()))


def show_groups(figures: Figures, console: Console) -> None:
    """Print minutes a session by group, less those of the reference."""
    reference = figures["reference"]
    console.print(f"simulated: minutes a session more than {reference}, +- half of the 95 % interval")
    table = Table(**PLAIN)
    table.add_column("policy", no_wrap=True)
    for group, size in figures["groups"].items():
        table.add_column(f"{group}\n({size:,})", justify="right", no_wrap=True)
    for policy, groups in figures["against"][reference].items():
        table.add_row(
            policy, *(short(groups[group][BY_GROUP]) if group in groups else "" for group in figures["groups"])
        )
    console.print(table)


def show_off_policy(figures: Figures, console: Console) -> None:
    """Print each estimate beside the truth."""
    stats = figures["stats"]
    console.print(f"off-policy check, {figures['simulated']}: {stats['offers']:,} logged offers, {stats['days']} days")
    console.print("simulated: minutes per offer, with standard error")
    table = Table(**PLAIN)
    for column in ("policy", "closed loop", "IPS", "SNIPS", "DR", "rows"):
        table.add_column(column, justify="left" if column == "policy" else "right", no_wrap=True)
    for policy, found in figures["results"].items():
        values = [f"{found[name]['value']:.3f} ({found[name]['standard_error']:.3f})" for name in ESTIMATES]
        table.add_row(policy, *values, f"{found['ips']['effective_sample_size']:,.0f}")
    console.print(table)
    console.print("rows: how many logged offers the estimates really rest on (effective sample size)")


ESTIMATES = ("closed_loop", "ips", "snips", "dr")


def show_tables(results: Figures, console: Console) -> None:
    """Print every figure of all listeners, a row a policy."""
    for columns in TABLES:
        table = Table(**PLAIN)
        table.add_column("policy", no_wrap=True)
        for _, header, _ in columns:
            table.add_column(header, justify="right", no_wrap=True)
        for policy, groups in results.items():
            table.add_row(policy, *(cell(groups[ALL][name], digits) for name, _, digits in columns))
        console.print(table)


def show_ab(figures: dict[str, object], console: Console) -> None:
    """Print the looks of an A/B test and its outcome."""
    read = cast(Figures, figures)
    console.print(f"A/B test, {read['simulated']}: A = {read['a']}, B = {read['b']}, scene {read['scene']}")
    console.print(f"simulated: {read['figure']}, over {read['days']} days")
    table = Table(**PLAIN)
    for column in ("listeners", "B - A", "always-valid 95 % interval"):
        table.add_column(column, justify="right")
    for look in read["looks"]:
        table.add_row(f"{look['observations']:,}", f"{look['mean']:.2f}", f"{look['low']:.2f} to {look['high']:.2f}")
    console.print(table)
    if read["winner"] == "undecided":
        console.print(f"undecided after {read['listeners']:,} listeners: more of them, or more days, may tell")
    else:
        console.print(f"{read['winner']} is better; the test may stop after {read['listeners']:,} listeners")
    sides = zip(("A", "B"), read["results"].values(), strict=True)
    console.print("and beside it, with the intervals of a test that was to end there:")
    show_tables(dict([*sides, ("B - A", read["against"][read["a"]][read["b"]])]), console)


def cell(one: dict[str, float], digits: int) -> str:
    """Return a figure with its interval."""
    return f"{one['value']:.{digits}f} ({one['low']:.{digits}f}, {one['high']:.{digits}f})"


def short(one: dict[str, float]) -> str:
    """Return a figure with half the width of its interval."""
    return f"{one['value']:+.1f} +-{(one['high'] - one['low']) / 2:.1f}"
