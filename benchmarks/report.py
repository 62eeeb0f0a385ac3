"""Turn a benchmark's numbers into JSON and Markdown; no path of the machine goes in."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from comparison import OURS, Ratio, Summary
from list_scores import METRICS
from measure import Cost

TITLES = {
    "all_ndcg_10": "all NDCG@10",
    "all_recall_100": "all Recall@100",
    "new_ndcg_100": "new NDCG@100",
    "repeat_ndcg_10": "repeat NDCG@10",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """The results of one window, or of all windows pooled."""

    title: str
    summaries: list[Summary]
    ratios: list[Ratio]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that one run of the benchmark found."""

    run: dict[str, str | int | float]
    windows: dict[str, dict[str, float]]
    sections: list[Section]
    costs: dict[str, list[Cost]]
    harness_scores: dict[str, dict[str, dict[str, dict[str, float]]]]


def describe_machine() -> dict[str, str | int]:
    """Return processor, cores, date and commit."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": git("rev-parse", "--short", "HEAD")
        + (" with changes" if git("status", "--porcelain", "--untracked-files=no") else ""),
        "processor": processor,
        "cores": os.cpu_count() or 0,
    }


def git(*arguments: str) -> str:
    """Ask git about the checkout that this file is in."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def quality_table(summaries: list[Summary]) -> str:
    """One row a model, one column a metric, mean and standard error; the best of a column is bold."""
    cells = {(summary.model, summary.metric): summary for summary in summaries}
    best = {metric: max(s.mean for s in summaries if s.metric == metric) for metric in METRICS}
    peers = sorted({summary.model for summary in summaries} - {OURS}, key=lambda m: -cells[m, next(iter(METRICS))].mean)

    def cell(model: str, metric: str) -> str:
        summary = cells[model, metric]
        text = f"{summary.mean:.4f} +- {summary.standard_error:.4f}"
        return f"**{text}**" if summary.mean == best[metric] else text

    rows = [[model, *(cell(model, metric) for metric in METRICS)] for model in (OURS, *peers)]
    counts = {metric: next(s for s in summaries if s.metric == metric) for metric in METRICS}
    rows.append(["*users (user windows)*", *(f"{counts[m].users} ({counts[m].rows})" for m in METRICS)])
    return table(["model", *(TITLES[metric] for metric in METRICS)], rows)


def ratio_table(ratios: list[Ratio]) -> str:
    """One row a metric: the ratio to the best tuned peer with its interval."""
    rows = [
        [TITLES[r.metric], r.peer, f"{r.ratio:.3f}", f"{r.low:.3f} to {r.high:.3f}"]
        for r in sorted(ratios, key=lambda r: list(METRICS).index(r.metric))
    ]
    return table(["metric", "best tuned peer here", "Ritornello / peer", "95 % interval"], rows)


def cost_table(costs: dict[str, list[Cost]]) -> str:
    """One row a step, one column a window: seconds and peak memory."""
    steps = list(dict.fromkeys(cost.step for of_window in costs.values() for cost in of_window))
    cells = {(window, cost.step): cost for window, of_window in costs.items() for cost in of_window}
    rows = [
        [step, *(f"{c.seconds:.1f} s, {c.peak_mb} MB" if (c := cells.get((w, step))) else "kept lists" for w in costs)]
        for step in steps
    ]
    return table(["step", *costs], rows)


def as_markdown(report: Report) -> str:
    """Return the whole report as one page."""
    facts = ", ".join(f"{name} {value}" for name, value in report.run.items())
    parts = [f"# Window benchmark: {report.run['data']}", facts]
    for section in report.sections:
        parts += [f"## {section.title}", quality_table(section.summaries), ratio_table(section.ratios)]
    parts += ["## Time and peak memory", cost_table(report.costs)]
    return "\n\n".join(parts) + "\n"


def write(report: Report, folder: Path) -> None:
    """Write NAME.json and NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    name = str(report.run["data"])
    (folder / f"{name}.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    (folder / f"{name}.md").write_text(as_markdown(report))
