"""The calibration as a table for people: target, what is still good, simulated, met or not, what was known, source."""

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from ritornello.data.sources.simulator.world import PRESETS
from ritornello.evaluation.calibration import Checked

KNOWN = {"tuned": "tuned", "checked": "held (v1)", "held_back": "held back"}


def as_figures(checks: list[Checked]) -> dict[str, object]:
    """Return the checks as plain values, with the worlds that they are of."""
    presets = {check.target.preset for check in checks}
    return {
        "simulated": {name: PRESETS[name].label for name in sorted(presets)},
        "checks": [
            asdict(check.target)
            | {
                "low": check.target.low,
                "high": check.target.high,
                "simulated": check.simulated,
                "is_met": check.is_met,
            }
            for check in checks
        ],
    }


def show(checks: list[Checked], console: Console) -> None:
    """Print the table, and how many are met by what was known of them."""
    console.print(
        "calibration: simulated beside real and published figures; what is still good stands in the JSON file"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("figure", "target", "simulated", "met", "known"):
        table.add_column(column, justify="left" if column in ("figure", "known") else "right", no_wrap=True)
    for check in checks:
        target = check.target
        numbers = (f"{value:.4g}" for value in (target.target, check.simulated))
        table.add_row(target.name, *numbers, "yes" if check.is_met else "no", KNOWN[target.role])
    console.print(table)
    for role, words in KNOWN.items():
        of_role = [check for check in checks if check.target.role == role]
        if of_role:
            console.print(f"{words}: {sum(check.is_met for check in of_role)} of {len(of_role)} met")
