"""What the code says of itself that the documents have to name: error codes with their kinds, variables.

Read from the source, not from a run: a code that only a broken disk brings about is found like any other.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = (ROOT / "framework", ROOT / "functions")

_CLASSES = {
    "CallerError": "caller",
    "MediaError": "media",
    "PlatformError": "platform",
    "PolicyError": "policy",
    "Cancelled": "cancelled",
}
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# What the bodies in a shipped test suite raise is theirs.
_NOT_OURS = "testing"


def error_codes() -> dict[str, set[str]]:
    """Every code that the code may raise, with the kinds that it is raised as where that can be read."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in _files():
        if _NOT_OURS in path.parts:
            continue
        for code, kind in _codes_of(ast.parse(path.read_text(encoding="utf-8"))):
            found[code] |= {kind} if kind else set()
    return dict(found)


def variables() -> set[str]:
    """Every variable of the environment that the code names as ours."""
    names: set[str] = set()
    for path in _files():
        names |= set(re.findall(r"\b_?RUSHES_[A-Z][A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    return names


def _files() -> Iterator[Path]:
    for root in SOURCES:
        yield from sorted(root.rglob("*.py"))


def _codes_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Tuple):
            yield from _of_row(node)
        elif isinstance(node, ast.Dict):
            yield from _of_dict(node)
        elif isinstance(node, ast.Assign):
            yield from _of_assignment(node)


def _of_call(node: ast.Call) -> Iterator[tuple[str, str]]:
    """``MediaError(…, code="truncated")``, and the rows ``_row("disk-full", PlatformError, …)``."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    for keyword in node.keywords:
        if keyword.arg == "code":
            yield from ((text, _CLASSES.get(name, "")) for text in _texts(keyword.value))
    if name == "_row" and len(node.args) > 1 and isinstance(node.args[1], ast.Name):
        yield from ((text, _CLASSES[node.args[1].id]) for text in _texts(node.args[0]))


def _of_row(node: ast.Tuple) -> Iterator[tuple[str, str]]:
    """``(CallerError, "not-found", "{path} does not exist.", …)``."""
    if len(node.elts) > 2 and isinstance(node.elts[0], ast.Name) and node.elts[0].id in _CLASSES:
        yield from ((text, _CLASSES[node.elts[0].id]) for text in _texts(node.elts[1]))


def _of_dict(node: ast.Dict) -> Iterator[tuple[str, str]]:
    pairs = {_text(key): value for key, value in zip(node.keys, node.values, strict=True)}
    if "kind" in pairs and "code" in pairs:
        (kind,) = _texts(pairs["kind"]) or [""]
        yield from ((text, kind) for text in _texts(pairs["code"]))


def _of_assignment(node: ast.Assign) -> Iterator[tuple[str, str]]:
    """``code = "link-loop"`` and ``message, code = f"…", "link-loop"``."""
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == "code":
            yield from ((text, "") for text in _texts(node.value))
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for name, value in zip(target.elts, node.value.elts, strict=True):
                if isinstance(name, ast.Name) and name.id == "code":
                    yield from ((text, "") for text in _texts(value))


def _texts(node: ast.expr) -> list[str]:
    """The codes that an expression may be: a word, or one of two."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    text = _text(node)
    return [text] if _CODE.fullmatch(text) else []


def _text(node: ast.expr | None) -> str:
    """A literal text; "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
