"""What ruff cannot hold of the one dialect of docstrings: what a first line begins with, where errors are told."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import CHECKOUT

_PACKAGES = ("admin", "benchmarks", "devservers", "producer", "shared", "training", "worker")

# In an editor's hover a first line stands alone: it names its object, and begins with a verb or a noun.
_ELLIPTIC = re.compile(r"(?:That|Those|Of|As|They|It|Its|This|These|Their)\b")
_ERROR = r"`?[A-Z]\w*(?:Error|Unavailable|OutOfMemory|Full|Missing|NotFound|Transition)`?"
_RAISES_AS_SENTENCE = re.compile(r"(?:^|[.;] )Raises? `?[A-Z]\w")
_RAISES_IN_PASSING = re.compile(rf"\braises? `?[A-Z]\w|(?:^|[.;] ){_ERROR} (?:for|if|unless|when|where)\b")
_BLOCK_OF_ERRORS = re.compile(r"^ *Raises:\n(?: +.*\n?)+", re.MULTILINE)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def faults_in(source: str) -> Iterator[str]:
    """Yield what is wrong with the docstrings of a module."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Documented) or (text := ast.get_docstring(node)) is None:
            continue
        name = "the module" if isinstance(node, ast.Module) else node.name
        first = text.partition("\n")[0]
        if _ELLIPTIC.match(first):
            yield f"{name} begins without its object: {first}"
        if tells_errors_inline(text, of_function=isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield f"{name} tells its errors outside of a `Raises:` block"


def tells_errors_inline(text: str, *, of_function: bool) -> bool:
    rest = " ".join(_BLOCK_OF_ERRORS.sub("", text).split())
    return _RAISES_AS_SENTENCE.search(rest) is not None or (of_function and _RAISES_IN_PASSING.search(rest) is not None)


def modules() -> Iterator[Path]:
    for package in _PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            within = path.relative_to(CHECKOUT)
            if not within.is_relative_to("shared/db/migrations"):
                yield path


def test_docstrings_name_their_objects_and_tell_errors_in_blocks() -> None:
    faults = [f"{path.relative_to(CHECKOUT)}: {fault}" for path in modules() for fault in faults_in(path.read_text())]
    assert not faults


@pytest.mark.parametrize(
    ("docstring", "faults"),
    [
        ("Return the seconds of an age.", 0),
        ("The seconds of an age.\n\n    Raises:\n        UsageError: it is none.\n    ", 0),
        ("Raise unless Redis answers.", 0),
        ("Those of an age.", 1),
        ("Of an age.", 1),
        ("The seconds of an age. Raises `UsageError`.", 1),
        ("Return the seconds of an age; UsageError for what is none.", 1),
        ("Return the age, or raise UsageError.", 1),
        ("It raises UsageError.\n\n    Raises:\n        UsageError: it is none.\n    ", 2),
    ],
)
def test_what_counts_as_a_fault(docstring: str, faults: int) -> None:
    assert len(list(faults_in(f'def seconds():\n    """{docstring}"""\n'))) == faults
