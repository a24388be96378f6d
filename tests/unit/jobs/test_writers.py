"""Who writes rows of jobs, shards and items: what `shared.db.tables.jobs` and docs/states.md say, against the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import CHECKOUT
from shared.db.tables import jobs

ROWS = {"JobRow", "ShardRow", "ItemRow"}
WRITES = {"insert", "update", "delete"}
PRODUCT = ("shared", "worker", "producer", "admin", "training")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for top in PRODUCT:
        for path in (CHECKOUT / top).rglob("*.py"):
            if "migrations" not in path.parts:
                yield name_of(path), ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)


def called(node: ast.AST) -> str:
    """The last name of what a call calls; empty for what is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def writes_rows(tree: ast.Module) -> bool:
    """Whether it makes a statement that writes one of the tables, by its class or by its table."""
    return any(
        called(node) in WRITES and any(name.id in ROWS for name in ast.walk(node) if isinstance(name, ast.Name))
        for node in ast.walk(tree)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _chained(node.func))
    )


def _chained(function: ast.Attribute) -> bool:
    # `counts.update(…)` of a dictionary and the like; `JobRow.__table__.update()` and `sqlalchemy.update(…)` are meant.
    return not any(
        isinstance(part, ast.Name) and part.id in ROWS | {"sqlalchemy", "sa"} for part in ast.walk(function.value)
    )


def sets_state(tree: ast.Module) -> bool:
    """Whether it updates a row's state: `update(…)….values(state=…)`."""
    return any(
        called(node) == "values"
        and any(keyword.arg == "state" for keyword in node.keywords)
        and any(called(part) == "update" for part in ast.walk(node.func))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    )


def test_only_the_modules_that_the_tables_name_write_their_rows():
    named = set(re.findall(r"^(shared\.[\w.]+)  ", jobs.__doc__ or "", re.MULTILINE))
    assert {name for name, tree in modules() if writes_rows(tree)} == named


def test_states_are_changed_by_the_steps_alone():
    assert {name for name, tree in modules() if sets_state(tree)} == {"shared.jobs.steps"}


@pytest.mark.parametrize(
    ("code", "writes"),
    [
        ("connection.execute(update(JobRow).where(JobRow.id == 1))", True),
        ("connection.execute(sqlalchemy.delete(ItemRow))", True),
        ("ShardRow.__table__.update().values(total=1)", True),
        ("insert(ItemRow)", True),
        ("select(JobRow.id)", False),
        ("update(UserRow).values(name='x')", False),
        ("counts.update({JobRow.id: 1})", False),
    ],
)
def test_a_write_is_told_from_a_read(code: str, writes: bool):
    assert writes_rows(ast.parse(code)) is writes


def test_a_change_of_state_is_told_from_other_writes():
    assert sets_state(ast.parse("update(JobRow).where(x).values(state=y)"))
    assert not sets_state(ast.parse("insert(JobRow).values(state=y); update(JobRow).values(name=z)"))
