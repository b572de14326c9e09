"""The documents say what is so: links lead somewhere, commands parse, examples run, nothing is left out."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from code_facts import error_codes, variables

import make_media
import rushes
from rushes import catalog
from rushes.cli.app import app
from rushes.core.states import TRANSITIONS, State
from rushes.function import Options
from rushes.invocation import Finished

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
API = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
ERRORS = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"<!-- commands.*?<!-- end of commands -->", re.DOTALL)


def _blocks(page: Path, *languages: str) -> list[str]:
    """The code blocks of a page that are marked as of one of these languages; "" for unmarked ones."""
    # The generated part of the command line's page is help, not examples.
    text = _GENERATED.sub("", page.read_text(encoding="utf-8"))
    return [body for language, body in _BLOCK.findall(text) if language in languages]


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


# -- links ------------------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in _anchors(linked), target


def test_every_page_is_on_the_map() -> None:
    on_the_map = {
        (DOCS / link.partition("#")[0]).resolve()
        for link in re.findall(r"\]\(([^):\s]+)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    }

    missing = [_name(page) for page in DOCS.rglob("*.md") if page.resolve() not in on_the_map]

    assert missing == ["docs/index.md"]


# -- Python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_python_example_compiles_and_imports_what_is_there(page: Path) -> None:
    for block in _blocks(page, "python"):
        tree = ast.parse(block)
        compile(tree, _name(page), "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rushes"):
                module = __import__(node.module or "", fromlist=["_"])
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module}.{name.name}"


def _function_of(page: Path, into: Path) -> Path:
    """The function that a page shows, saved as its text says."""
    (shown,) = (block for block in _blocks(page, "python") if "@function(" in block)
    name = re.findall(r"^def (\w+)", shown, re.MULTILINE)[-1]
    path = into / f"{name}.py"
    path.write_text(shown, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("page", "options", "suffix"),
    [
        (ROOT / "README.md", {"at_s": 0.5}, ".png"),
        (DOCS / "tutorial/own-function.md", {"columns": 2}, ".jpg"),
    ],
    ids=["README", "tutorial"],
)
def test_the_function_that_is_shown_runs_as_it_is_printed(
    page: Path, options: dict[str, float], suffix: str, media: make_media.Workshop, tmp_path: Path
) -> None:
    clip = media("h264_24p.mp4")

    result = catalog.find(str(_function_of(page, tmp_path)))(str(clip), out=str(tmp_path / "out"), **options)

    (made,) = (value for value in dict(result).values() if isinstance(value, rushes.Output))
    assert made.path == tmp_path / "out" / f"h264_24p{suffix}"
    assert made.path.stat().st_size > 100


def test_the_functions_that_are_shown_are_accepted_by_mypy_strict(tmp_path: Path) -> None:
    shown = [str(_function_of(p, tmp_path)) for p in (ROOT / "README.md", DOCS / "tutorial/own-function.md")]

    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--strict", *shown],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


# -- commands ---------------------------------------------------------------------------------------------


def _commands(page: Path) -> Iterator[list[str]]:
    """The ``rushes …`` command lines of a page, without what a shell would do with their output."""
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )*rushes [^`\n]+)`", _prose(page))
    for line in [line for block in _blocks(page, "", "sh") for line in block.splitlines()] + inline:
        bare = re.sub(r"\s{2,}#.*$|\s+#\s.*$", "", line.strip().removeprefix("$ ")).strip()
        for part in re.split(r"\s&&\s|;\s", bare):
            words = re.sub(r"^(?:[A-Z_]+=\S+\s+)*", "", part)
            if re.match(r"rushes( |$)", words):
                yield _words(words)


def _words(line: str) -> list[str]:
    words = shlex.split(line.replace("…", ""))
    return words[1 : next((n for n, w in enumerate(words) if w in {"|", ">", ">>", "2>"}), len(words))]


# Outlines of a command line, not command lines; and functions that only a reader has installed.
_SAYS_NOTHING = re.compile(r"\.\.\.|\[|\{|^first_frame$")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_line_parses(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxies.yaml").write_text("rushes: 1\nfunction: inspect\ninputs: [.]\n")
    for file in ("contact", "still", "first_frame", "my_function"):
        _write_function(tmp_path / f"{file}.py", file)
    for words in _commands(page):
        if not words or any(_SAYS_NOTHING.search(word) for word in words):
            continue
        _parse(words)


def _write_function(path: Path, name: str) -> None:
    shown = {"still": ROOT / "README.md", "contact": DOCS / "tutorial/own-function.md"}
    if name in shown:
        _function_of(shown[name], path.parent)
    else:
        text = '@function(version="1")\ndef NAME(clip: Asset) -> Result:\n    """Nothing."""\n'
        path.write_text("from rushes import Asset, Result, function\n\n\n" + text.replace("NAME", name))


def _parse(words: list[str]) -> None:
    """What click makes of a command line; nothing of it is carried out."""
    top = click.Context(app, info_name="rushes")
    if words[0].startswith("-"):
        assert words in (["--help"], ["--version"])
        return
    command = app.get_command(top, words[0])
    assert command is not None, f"rushes {shlex.join(words)}: there is no such command"
    rest = words[1:]
    ctx: click.Context | None = top
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        sub = command.get_command(top, rest[0])
        assert sub is not None, f"rushes {shlex.join(words)}: there is no such command"
        command, rest = sub, rest[1:]
    rest = [_meant(word) for word in rest]
    if not rest or "--help" in rest:
        return
    try:
        command.make_context(words[0], rest, parent=ctx)
    except click.exceptions.Exit as done:
        if done.exit_code:
            pytest.fail(f"rushes {shlex.join(words)} ends with {done.exit_code}")
    except click.UsageError as error:
        pytest.fail(f"rushes {shlex.join(words)}: {error.format_message()}")


def _meant(word: str) -> str:
    """A word of a usage line, in capitals, as somebody would fill it in."""
    return {"FUNCTION": "inspect", "NAME": "name", "SHELL": "bash", "USD": "40"}.get(word, word)


# -- nothing is left out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rushes.__all__)
def test_every_exported_name_has_its_place_in_the_api(name: str) -> None:
    link = re.search(rf"\[`{name}`\]\(#([\w-]+)\)", API)

    assert link is not None
    assert link[1] in _anchors(DOCS / "reference" / "api.md")


def test_the_api_names_every_argument_of_the_decorator_and_every_dispatch_option() -> None:
    import inspect  # noqa: PLC0415 - the module, not our function

    arguments = [name for name in inspect.signature(rushes.function).parameters if name != "misused"]
    for name in (*arguments, *(field for field in Options.__dataclass_fields__)):
        assert f"`{name}`" in API, name


@pytest.mark.parametrize(
    "model", [rushes.Resources, rushes.Context, rushes.Batch, rushes.Outcome, rushes.Asset]
)
def test_the_api_names_every_public_member(model: type) -> None:
    own = {name for name in vars(model) if not name.startswith("_")}
    fields = set(getattr(model, "__annotations__", {}))
    for name in (own | fields) - {"model", "vector"}:
        assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", API), f"{model.__name__}.{name}"


def test_every_variable_is_in_the_settings_and_none_is_made_up() -> None:
    known = variables()

    said = set(re.findall(r"`(_?RUSHES_[A-Z_]+[A-Z])`", SETTINGS))

    assert said == known


def test_every_error_code_is_in_the_reference_with_its_kinds() -> None:
    rows = _rows(ERRORS)

    for code, kinds in error_codes().items():
        assert code in rows, code
        assert kinds <= rows[code], f"{code}: {kinds - rows[code]}"


def test_the_reference_of_errors_makes_none_up() -> None:
    known = set(error_codes())

    assert sorted(set(_rows(ERRORS)) - known) == []


def _rows(text: str) -> dict[str, set[str]]:
    """Code → kinds, of the tables of codes."""
    found: dict[str, set[str]] = {}
    for codes, kinds in re.findall(r"^\| (`[a-z`, -]+`) \| ([a-z, ]+) \|", text, re.MULTILINE):
        for code in re.findall(r"`([a-z-]+)`", codes):
            found[code] = {kind.strip() for kind in kinds.split(",")}
    return found


def test_the_states_and_their_transitions_are_those_of_the_code() -> None:
    page = (DOCS / "reference" / "states.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*`.*) \|$", page, re.MULTILINE))

    for state, allowed in TRANSITIONS.items():
        if not allowed:
            assert state.value not in rows
            continue
        assert {State(name) for name in re.findall(r"`(\w+)`", rows[state.value])} == set(allowed)


def test_the_line_of_json_is_described_field_by_field() -> None:
    page = (DOCS / "reference" / "json-line.md").read_text(encoding="utf-8")
    line = Finished(1, "b", "b.1", "/a.mov", "inspect", State.succeeded).to_json()

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(line)


def test_no_page_names_a_folder_of_the_machine_it_was_written_on() -> None:
    home = os.fspath(ROOT)
    for page in PAGES:
        assert home not in page.read_text(encoding="utf-8"), page.name
