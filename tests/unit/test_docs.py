"""The documents name no file, module, command or heading that is gone."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

import admin.cli
import producer.cli
from shared.config import CHECKOUT

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "examples").glob("*.md")])
RECIPES = sorted(
    path
    for path in (
        *(CHECKOUT / name for name in ("Makefile", "Dockerfile.gpu", "docker-compose.yml", ".ci/run")),
        *(CHECKOUT / ".github").rglob("*.yml"),
        *(CHECKOUT / "scripts").iterdir(),
    )
    if path.is_file()
)
PROGRAMS: dict[str, click.Group] = {"admin": admin.cli.main, "producer": producer.cli.main}

_OURS = "admin|benchmarks|devservers|producer|shared|tests|training|worker"
_FOLDERS = rf"{_OURS}|deploy|docs|examples|requirements|scripts"
_CODE = re.compile(r"^```.*?^```$|(?<!`)`[^`\n]+`(?!`)", re.DOTALL | re.MULTILINE)
_PATH = re.compile(rf"(?<![\w./:$}}-])(?:{_FOLDERS})/[\w./*-]+")
_FILE_NAME = re.compile(r"(?<![\w./*$-])[\w.-]+\.(?:css|html|md|py|toml|ya?ml)\b(?![\w/])")
_DOTTED = re.compile(rf"(?<![\w./-])(?:{_OURS})(?:\.[A-Za-z_]\w*)+(?![\w/(*])")
_RUN = re.compile(r"(?:python3?|torchrun)(?: [^\s|;&]+)*? -m ([\w.]+)")
_COMMAND = re.compile(r"(?:^\s*(?:\.venv/bin/)?|\$\()(admin|producer)((?: [a-z][a-z-]+)+)", re.MULTILINE)
_LINK = re.compile(r"(?:\]\(|<img[^>]* src=\")(?!\w+:)([^)\s\"]+)")
_OF_READERS = {"docker-compose.override.yml", "prometheus.yml", "worker.log"}  # files that readers have, not we
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def code_of(document: Path) -> Iterator[str]:
    """Yield what a document says in code: the spans of a line, and the blocks."""
    for found in _CODE.finditer(document.read_text()):
        yield found[0].strip("`")


def paths_in(text: str) -> Iterator[str]:
    for found in _PATH.finditer(text):
        yield found[0].rstrip(".")


@cache
def names_of_files() -> frozenset[str]:
    """The names of all files of the repository, without what was installed or built into it."""
    folders = [CHECKOUT / name for name in _FOLDERS.split("|")]
    return frozenset(path.name for folder in (*folders, CHECKOUT / ".github") for path in folder.rglob("*")) | {
        path.name for path in CHECKOUT.iterdir()
    }


def exists(path: str) -> bool:
    return any(CHECKOUT.glob(path.rstrip("/"))) if "*" in path else (CHECKOUT / path).exists()


def file_of(module: str) -> Path | None:
    """The file of a module of ours. Found by its path: importing some of them would load torch."""
    path = CHECKOUT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def is_known(dotted: str) -> bool:
    """Whether it is a module of ours, or a name that one of them has, such as `shared.images.isolated.Decoders`."""
    if file_of(dotted) is not None:
        return True
    module, _, name = dotted.rpartition(".")
    file = file_of(module)
    if file is not None:
        return name in set(names_in(ast.parse(file.read_text()).body))
    # A name of a class: its class is looked for instead.
    return "." in module and is_known(module)


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield statement.name
            case ast.Assign():
                yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in statement.names)


def can_be_run(module: str) -> bool:
    """Whether `python -m module` works."""
    if module.partition(".")[0] not in _OURS.split("|"):
        return find_spec(module.partition(".")[0]) is not None
    main = file_of(f"{module}.__main__")
    file = main or file_of(module)
    return file is not None and (main is not None or '__name__ == "__main__"' in file.read_text())


def command_exists(program: str, words: list[str]) -> bool:
    """Whether the first words are a command; those after it may be its arguments."""
    group: click.Command = PROGRAMS[program]
    for word in words:
        if not isinstance(group, click.Group):
            return True
        if word not in group.commands:
            return False
        group = group.commands[word]
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    gone: set[str] = set()
    for code in code_of(document):
        gone |= {path for path in paths_in(code) if not exists(path)}
        gone |= {name for name in _FILE_NAME.findall(code) if name not in names_of_files()}
        gone |= {name for name in _DOTTED.findall(code) if not (is_known(name) or name in names_of_files())}
        gone |= {module for module in _RUN.findall(code) if not can_be_run(module)}
        gone |= {
            f"{program}{words}"
            for program, words in _COMMAND.findall(code)
            if not command_exists(program, words.split())
        }
    assert not gone - _OF_READERS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    broken = set()
    for target in _LINK.findall(document.read_text()):
        path, _, heading = target.partition("#")
        file = document.parent / path if path else document
        if not file.exists() or (heading and heading not in anchors_of(file)):
            broken.add(target)
    assert not broken


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = (found.lower().replace("`", "") for found in _HEADING.findall(document.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_builds_and_starts_names_what_is_there(recipe: Path) -> None:
    text = recipe.read_text()
    gone = {module for module in re.findall(r"python3?\)? -m ([\w.]+)", text) if not can_be_run(module)}
    gone |= {path for path in paths_in(re.sub(r"\$\(\w+\)/\w+", "", text)) if not exists(path)}
    gone |= {
        f"{program}{words}"
        for program, words in re.findall(r"(?:\$\(BIN\)/|exec )(admin|producer)((?: [a-z][a-z-]+)+)", text)
        if not command_exists(program, words.split())
    }
    assert not gone


def test_the_containers_run_commands_that_are_there() -> None:
    services = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    run = [service["command"].split() for service in services.values() if "build" in service and "command" in service]
    run += [ast.literal_eval(found) for found in re.findall(r"^CMD (\[.*\])$", dockerfile(), re.MULTILINE)]
    assert len(run) == 5
    for program, *words in run:
        assert can_be_run(words[1]) if program == "python" else command_exists(program, words)


def test_the_programs_that_are_installed_are_there() -> None:
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts.keys() == PROGRAMS.keys()
    assert all(is_known(target.replace(":", ".")) for target in scripts.values())


def dockerfile() -> str:
    return (CHECKOUT / "Dockerfile.gpu").read_text()


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("shared.images.isolated", True), ("shared.images.isolated.Decoders", True), ("shared.store", True),
        ("shared.jobs.records.Job.priority", True), ("shared.jobs.queue", False), ("shared.errors.Nothing", False),
        ("shared.gone.Decoders.close", False),
    ],
)  # fmt: skip
def test_a_dotted_name_is_looked_for_in_its_file(name: str, known: bool) -> None:
    assert is_known(name) is known
