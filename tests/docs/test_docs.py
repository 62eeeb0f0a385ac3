"""What is written is true: commands and links exist, and nothing points at somebody's machine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from ritornello.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
BARE = {"WS", "FILE", "COMMAND"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchor(title: str) -> str:
    """Return the anchor that a title gets."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def tracked() -> list[Path]:
    """List the text files under version control."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]


@every_page
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        name, _, wanted = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if wanted:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), flags=re.MULTILINE)
            assert wanted in map(anchor, titles), f"{page.name} links to {target}"


@every_page
def test_every_make_target_exists(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE):
        assert target in targets


@every_page
def test_every_command_and_its_options_exist(page):
    for line in re.findall(r"(?:`|^)(ritornello [^`#\n]+)", page.read_text(), flags=re.MULTILINE):
        name, *words = line.split()[1:]
        if name in BARE:
            continue
        assert name in COMMANDS, line
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        for word in words:
            if word.startswith("-"):
                assert word.partition("=")[0] in options | {"--help"}, line


def test_every_target_of_the_makefile_is_told_by_help():
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE).group(1).split()
    told = re.findall(r"^([a-z-]+):.*  ## ", text, flags=re.MULTILINE)
    assert sorted(told) == sorted(targets)


def test_text_is_plain_ascii_and_names_no_machine():
    place = re.compile("|".join(f"/{name}/" for name in ("work", "root", "home")))
    for path in tracked():
        if path.suffix in {".parquet", ".png", ".npz"}:
            continue
        text = path.read_text(encoding="utf-8")
        assert text.isascii(), f"{path.name} is not plain ASCII"
        assert not place.search(text), f"{path.name} names a place on somebody's machine"
        assert text.endswith("\n") or not text, f"{path.name} does not end with a line break"


def test_the_version_stands_in_the_changelog():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE).group(1)
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
