"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Root = Annotated[
    Path, typer.Argument(metavar="WS", help="The workspace: a folder that holds a log and what is made of it.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file; see configs/.")]
Overrides = Annotated[list[str], typer.Option("--set", help="Override one value, as in rank.cuts=4; may be repeated.")]
TextModelFolder = Annotated[
    Path | None,
    typer.Option(
        "--text-model", help="For themed: a folder with a sentence-embedding model (model.onnx, tokenizer.json)."
    ),
]
TextSimilarity = Annotated[
    float | None,
    typer.Option("--text-similarity", help="The least cosine at which words mean a name; default 0.5.", min=0, max=1),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]
