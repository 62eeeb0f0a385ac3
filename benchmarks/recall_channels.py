"""Channels alone, over rolling windows of a real log, window and live, seed after seed, beside tuned peers on the same rows.

    python benchmarks/recall_channels.py measure --data events.parquet --channels vector,factors --seeds 0,1,2 \
        --cuts 0,14,28,42 [--set vector.pooling=average] --out values.parquet
    python benchmarks/recall_channels.py stack --data events.parquet --cuts 0,14 [--config C] [--label ' with vector'] \
        --out values.parquet
    python benchmarks/recall_channels.py report values.parquet ... [--peers .work/30music] [--beside stack] [--json F]

`measure` adds to a file of values, one row a channel, seed, window, metric and user; several may run beside each other, each
with a file of its own. `stack` trains the whole pipeline of a configuration instead, and keeps what its channels find together
beside the values, in FILE.union.jsonl. `report` pools all rows: means over seeds, standard errors, and the ratio to the
textbook session-kNN (live), to the best setting of every family of peers whose lists `window_peers.py` keeps (window), and to
the model that `--beside` names. Intervals are of a paired bootstrap over users, values averaged over seeds first. Channels'
own numbers agree with the judge's to 1e-6.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, cast

import numpy as np
import polars as pl
import typer

from list_scores import score_lists
from ritornello import recall
from ritornello.artifacts import Workspace
from ritornello.config import apply_override, load_config
from ritornello.contracts import History
from ritornello.data.ingest import ingest
from ritornello.data.prepare import Prepared, load_prepared, prepare
from ritornello.evaluation.baselines import fit_baselines
from ritornello.evaluation.live import Answer, answers_of, choose_rows, rank_rows
from ritornello.evaluation.live_rows import LiveRows, live_rows
from ritornello.evaluation.scoring import LIST_LENGTH
from ritornello.evaluation.window import PIPELINE, Parts, report_of, score_system, score_window
from ritornello.evaluation.window_split import Window, split_windows
from ritornello.recall import Channel
from ritornello.recall.merge import recall as best
from ritornello.schema import ONE_DAY_MS
from ritornello.train.fit import fit_pipeline

METRICS = {  # name: (part, metric, the name that peers' scores have)
    "all NDCG@10": ("all", "ndcg@10", "all_ndcg_10"),
    "all Recall@100": ("all", "recall@100", "all_recall_100"),
    "new NDCG@100": ("new", "ndcg@100", "new_ndcg_100"),
    "repeat NDCG@10": ("repeat", "ndcg@10", "repeat_ndcg_10"),
}
LIVE = ("live Recall@20", "live MRR@20")
FACTS = ("coverage@100", "fit seconds")
DRAWS = 2000
SCHEMA = {
    "model": pl.String,
    "seed": pl.Int64,
    "window": pl.String,
    "metric": pl.String,
    "user_id": pl.String,
    "value": pl.Float64,  # the sum over the user's rows
    "rows": pl.Int64,
}

app = typer.Typer(add_completion=False)


@app.command()
def measure(  # noqa: PLR0913, PLR0917 - the command line itself
    data: Annotated[Path, typer.Option(exists=True, help="Listening events as Parquet, or a workspace.")],
    out: Annotated[Path, typer.Option(help="Parquet file of values; rows are added.")],
    channels: Annotated[str, typer.Option(help="Names of channels, or session_knn.")],
    seeds: Annotated[str, typer.Option(help="For channels that have one.")] = "0",
    cuts: Annotated[str, typer.Option(help="Days before T, one window each.")] = "0,14,28,42",
    override: Annotated[list[str] | None, typer.Option("--set", help="CHANNEL.KEY=VALUE")] = None,
    label: Annotated[str, typer.Option(help="Added to the channel's name in the table.")] = "",
    until: Annotated[float | None, typer.Option(help="T in epoch seconds; default: test days before the end.")] = None,
    test_days: float = 14.0,
    min_item: int = 5,
    min_user: int = 10,
    live_rows_each: Annotated[int, typer.Option(help="Plays drawn a window; 0: all.")] = 0,
) -> None:
    """Fit and score channels."""
    settings: dict[str, object] = {}
    for one in override or []:
        apply_override(settings, one)
    with opened(data) as prepared:
        for cut, window, rows in windows_of(
            prepared, cuts, until, test_days=test_days, min_item=min_item, min_user=min_user
        ):
            for name in channels.split(","):
                own = cast(dict[str, object], settings.get(name, {}))
                for seed in [int(one) for one in seeds.split(",")] if has_seed(name) else [0]:
                    found = measured(
                        prepared, window, rows, name, own | ({"seed": seed} if has_seed(name) else {}), live_rows_each
                    )
                    table = pl.DataFrame(
                        [(f"{name}{label}", seed, cut, *row) for row in found], schema=SCHEMA, orient="row"
                    )
                    pl.concat([pl.read_parquet(out), table] if out.exists() else [table]).write_parquet(out)
                    show(table)


@app.command()
def stack(  # noqa: PLR0913, PLR0917 - the command line itself
    data: Annotated[Path, typer.Option(exists=True, help="Listening events as Parquet, or a workspace.")],
    out: Annotated[Path, typer.Option(help="Parquet file of values; rows are added.")],
    config: Annotated[Path | None, typer.Option(help="As for ritornello train.")] = None,
    label: Annotated[str, typer.Option(help="Added to the name in the table.")] = "",
    cuts: Annotated[str, typer.Option(help="Days before T, one window each.")] = "0,14,28,42",
    until: Annotated[float | None, typer.Option(help="T in epoch seconds; default: test days before the end.")] = None,
    test_days: float = 14.0,
    min_item: int = 5,
    min_user: int = 10,
    live_rows_each: Annotated[int, typer.Option(help="Score the next play instead, on so many plays a window.")] = 0,
) -> None:
    """Train and score the whole pipeline of a configuration."""
    settings = load_config(config, [])
    with opened(data) as prepared:
        for cut, window, rows in windows_of(
            prepared, cuts, until, test_days=test_days, min_item=min_item, min_user=min_user
        ):
            if live_rows_each:
                pipeline = fit_pipeline(rows.known, rows.at, settings, prepared.knowledge, tasks=("next",))
                found = list(live_values(prepared, rows, answers_of(pipeline)[PIPELINE], live_rows_each))
            else:
                scored = score_window(window, prepared, settings, progress=None)
                found = [("fit seconds", "", scored.seconds["train"], 1)]
                found += window_values(prepared, scored.systems[PIPELINE])
                facts = {"model": f"stack{label}", "cut": cut, "rows": len(window.targets.user_R)}
                facts |= cast(dict[str, object], report_of([scored])["union"])
                with out.with_suffix(".union.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(facts) + "\n")
            table = pl.DataFrame([(f"stack{label}", 0, cut, *row) for row in found], schema=SCHEMA, orient="row")
            pl.concat([pl.read_parquet(out), table] if out.exists() else [table]).write_parquet(out)
            show(table)


@contextmanager
def opened(data: Path) -> Iterator[Prepared]:
    """Prepare a log in a scratch workspace; a workspace is taken as it is, with all that its catalogue knows."""
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(data if data.is_dir() else Path(scratch))
        if not data.is_dir():
            ingest(workspace, [data])
        prepare(workspace)
        yield load_prepared(workspace)


def windows_of(
    prepared: Prepared, cuts: str, until: float | None, *, test_days: float, min_item: int, min_user: int
) -> Iterator[tuple[str, Window, LiveRows]]:
    """Yield each cut with its window and its plays."""
    newest = int(until * 1000) if until else int(prepared.sequences.at_E.max()) - int(test_days * ONE_DAY_MS)
    for cut in cuts.split(","):
        at = newest - int(float(cut) * ONE_DAY_MS)
        [window] = split_windows(
            prepared.sequences, at, test_days=test_days, cuts=1, min_item=min_item, min_user=min_user
        )
        rows = live_rows(
            prepared.sequences,
            prepared.user_ids,
            window.at,
            test_days=test_days,
            min_item=min_item,
            min_user=min_user,
        )
        yield cut, window, rows


def has_seed(name: str) -> bool:
    """Tell whether chance has a part in a channel's training."""
    return name in recall.CHANNELS and hasattr(recall.make(name).config, "seed")  # type: ignore[attr-defined]


def measured(
    prepared: Prepared, window: Window, rows: LiveRows, name: str, settings: dict[str, object], live_rows_each: int
) -> Iterator[tuple[str, str, float, int]]:
    """Yield (metric, user, sum, rows) of one fit."""
    started = perf_counter()
    if name == "session_knn":
        answer: Answer = fit_baselines(rows.known, rows.at, LIST_LENGTH)[name]
        yield from live_values(prepared, rows, answer, live_rows_each)
        return
    knowledge = prepared.knowledge.before(window.at, played=window.known.num_tracks)
    channel = recall.make(name, settings).fit(window.known, window.at, knowledge)
    yield "fit seconds", "", perf_counter() - started, 1
    parts = score_system(lambda history, only: best(channel, history, LIST_LENGTH, only=only).track_BN, window)
    yield from window_values(prepared, parts)
    yield from live_values(prepared, rows, answer_of(channel), live_rows_each)


def window_values(prepared: Prepared, parts: Parts) -> Iterator[tuple[str, str, float, int]]:
    """Yield each user's values, and the coverage of all lists."""
    yield "coverage@100", "", parts["all"].overall["coverage@100"], 1
    for metric, (part, key, _) in METRICS.items():
        if part in parts:
            users = prepared.user_ids.gather(parts[part].user_R - 1).to_list()
            values = parts[part].value_R[key].tolist()
            yield from ((metric, str(user), value, 1) for user, value in zip(users, values, strict=True))


def answer_of(channel: Channel) -> Answer:
    """Return how to ask a channel for the next track."""

    def answer(history: History) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return best(channel, history, LIST_LENGTH).track_BN

    return answer


def live_values(
    prepared: Prepared, rows: LiveRows, answer: Answer, live_rows_each: int
) -> Iterator[tuple[str, str, float, int]]:
    """Yield the sums of each user's plays."""
    chosen_R = choose_rows(len(rows), live_rows_each or None, 0)
    rank_R = rank_rows({"": answer}, rows, chosen_R, {}, None)[""]
    user_R = rows.user_R[chosen_R]
    number_U = np.bincount(user_R)
    for metric, value_R in zip(LIVE, (rank_R < 20, np.where(rank_R < 20, 1.0 / (rank_R + 1), 0.0)), strict=True):
        sum_U = np.bincount(user_R, weights=value_R)
        for user in np.flatnonzero(number_U).tolist():
            yield metric, str(prepared.user_ids[user - 1]), float(sum_U[user]), int(number_U[user])


def show(table: pl.DataFrame) -> None:
    """Print the means of one fit."""
    means = table.group_by("metric", maintain_order=True).agg(pl.col("value").sum() / pl.col("rows").sum())
    facts = {metric: round(value, 4) for metric, value in means.iter_rows()}
    print(table["model"][0], table["seed"][0], table["window"][0], facts, flush=True)


@app.command()
def report(
    values: Annotated[list[Path], typer.Argument(exists=True, help="Files that `measure` wrote.")],
    peers: Annotated[Path | None, typer.Option(help="Folder of cut_0, cut_14, ... with peers' lists.")] = None,
    beside: Annotated[str | None, typer.Option(help="A model of the files to compare the others with.")] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Pool windows and seeds, and compare with peers."""
    table = pl.concat(pl.read_parquet(path) for path in values)
    others = peer_values(peers, table["window"].unique().to_list()) if peers else table.clear()
    knn = table.filter(pl.col("model") == "session_knn")
    models = [name for name in table["model"].unique(maintain_order=True) if name != "session_knn"]
    results = {name: summary(table.filter(pl.col("model") == name)) for name in models}
    others = pl.concat([others, knn, table.filter(pl.col("model") == beside)])
    gains = {name: gains_of(table.filter(pl.col("model") == name), others) for name in models if name != beside}
    metrics = [*METRICS, *LIVE, *FACTS]
    print(f"| channel | {' | '.join(metrics)} |\n{'|---' * (len(metrics) + 1)}|")
    for name, row in results.items():
        print(f"| `{name}` | {' | '.join(cell(row.get(metric)) for metric in metrics)} |")
    print("\n| channel | metric | beside | ratio | 95 % interval |\n|---|---|---|---|---|")
    for name, rows in gains.items():
        for metric, peer, ratio, low, high in rows:
            print(f"| `{name}` | {metric} | {peer} | {ratio:.3f} | {low:.3f} to {high:.3f} |")
    if out:
        out.write_text(json.dumps({"summary": results, "ratios": gains}, indent=1) + "\n")


def peer_values(folder: Path, cuts: list[str]) -> pl.DataFrame:
    """Score the lists that peers made on the same windows; the project's own are no peer."""
    tables = []
    names = {key: metric for metric, (_, _, key) in METRICS.items()}
    for cut in cuts:
        window = folder / f"cut_{cut}"
        for lists in sorted((window / "lists").iterdir()):
            if lists.name != "ritornello" and not lists.name.startswith("."):
                scored = score_lists(lists, window / "prepared")
                tables.append(
                    scored.select(
                        model=pl.lit(lists.name),
                        seed=pl.lit(0, pl.Int64),
                        window=pl.lit(cut),
                        metric=pl.col("metric").replace_strict(names),
                        user_id=pl.col("user_id").cast(pl.String),
                        value="value",
                        rows=pl.lit(1, pl.Int64),
                    )
                )
    return pl.concat(tables)


def summary(table: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return by metric the mean over seeds, its standard error over users, and that over seeds."""
    found: dict[str, dict[str, float | None]] = {}
    for (metric,), rows in table.group_by("metric", maintain_order=True):
        by_seed = rows.group_by("seed").agg(mean=pl.col("value").sum() / pl.col("rows").sum())["mean"].to_numpy()
        sum_U, rows_U = by_user(rows)
        mean = float(sum_U.sum() / rows_U.sum())
        drawn = draws(len(sum_U))
        spread = float(np.std((drawn @ sum_U) / (drawn @ rows_U))) if len(sum_U) > 1 else None
        over_seeds = float(by_seed.std(ddof=1) / len(by_seed) ** 0.5) if len(by_seed) > 1 else None
        found[str(metric)] = {"mean": mean, "se": spread, "se over seeds": over_seeds, "seeds": len(by_seed)}
    return found


def by_user(
    rows: pl.DataFrame,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Return each user's sum and number of rows, averaged over seeds."""
    seeds = rows["seed"].n_unique()
    users = rows.group_by("user_id").agg(pl.col("value").sum() / seeds, pl.col("rows").sum() / seeds).sort("user_id")
    return users["value"].to_numpy(), users["rows"].to_numpy().astype(np.float64)


def draws(num_users: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return how often each user is drawn in every round of the bootstrap."""
    return np.random.default_rng(0).multinomial(num_users, np.full(num_users, 1.0 / num_users), size=DRAWS)


def gains_of(own: pl.DataFrame, others: pl.DataFrame) -> list[tuple[str, str, float, float, float]]:
    """Return (metric, peer, ratio, low, high) against the best setting of each family, told by a name's first word."""
    found = []
    for metric in (*METRICS, *LIVE):
        mine = own.filter(pl.col("metric") == metric)
        if mine.is_empty():
            continue
        theirs = others.filter(pl.col("metric") == metric).with_columns(
            family=pl.col("model").str.extract(r"^([a-z_]+?)(?:_[a-zA-Z0-9]+-.*)?$")
        )
        for (_,), family in theirs.group_by("family", maintain_order=True):
            means = family.group_by("model").agg(pl.col("value").sum() / pl.col("rows").sum()).sort("value")
            peer = str(means["model"][-1])
            rows = family.filter(pl.col("model") == peer)
            mine_U, rows_U = by_user(mine)
            peer_U, peer_rows_U = by_user(rows)
            if len(rows_U) != len(peer_rows_U) or np.abs(rows_U - peer_rows_U).max(initial=0) > 1e-9:
                raise SystemExit(f"{metric}: {peer} and the channel were not scored on the same rows")
            drawn = draws(len(mine_U))
            low, high = np.percentile((drawn @ mine_U) / (drawn @ peer_U), [2.5, 97.5])
            found.append((metric, peer, float(mine_U.sum() / peer_U.sum()), float(low), float(high)))
    return found


def cell(value: dict[str, float | None] | None) -> str:
    """Format a mean with its standard errors, over users and over seeds."""
    if value is None:
        return ""
    mean, spread, over_seeds = value["mean"], value["se"], value["se over seeds"]
    text = f"{mean:.1f}" if mean and mean >= 1 else f"{mean:.4f}"
    inside = [f"{one:.4f}" for one in (spread, over_seeds) if one is not None]
    return f"{text} ({', '.join(inside)})" if inside else text


if __name__ == "__main__":
    app()
