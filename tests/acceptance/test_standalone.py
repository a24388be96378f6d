"""`admin standalone` as its users meet it, with the real worker, producer, broker and web admin."""

import os
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from PIL import Image

from shared.config import CHECKOUT, DEFAULT_MODEL
from tests.acceptance.embedded_stack import PARTS, PATIENCE_S, EmbeddedStack, lines

pytestmark = pytest.mark.timeout(900)

EXAMPLES = CHECKOUT / "examples" / "images"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[EmbeddedStack]:
    with EmbeddedStack(tmp_path / "home") as stack:
        yield stack


def test_a_folder_is_segmented_the_notebook_runs_and_nothing_is_left(stack: EmbeddedStack, tmp_path: Path):
    address = stack.wait_until_ready()
    with urllib.request.urlopen(f"{address}/health/ready") as answer:
        assert answer.status == 200
    listening = [connection for process in stack.processes() for connection in process.net_connections("tcp")]
    assert {connection.laddr.ip for connection in listening if connection.status == psutil.CONN_LISTEN} == {"127.0.0.1"}

    second = stack.run("admin", "standalone")
    assert second.returncode == 2
    assert re.fullmatch(f"error: a stack already runs in .* at {address} .*\n", second.stderr)

    result = stack.run("producer", "submit", EXAMPLES, "--wait", "--to", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    for source in EXAMPLES.iterdir():
        with Image.open(source) as image, Image.open(tmp_path / "out" / "masks" / f"{source.stem}.png") as mask:
            assert mask.size == image.size
    run_the_notebook(stack, address, tmp_path / "read" / "docs")

    assert stack.stop(signal.SIGINT) == 0
    assert stack.processes() == []
    assert not (stack.home / "broker.sock").exists()
    assert not (stack.home / "standalone.json").exists()


def run_the_notebook(stack: EmbeddedStack, address: str, folder: Path) -> None:
    """Run docs/quickstart.ipynb as a reader does who copied the checkout; every cell has to succeed."""
    folder.mkdir(parents=True)
    (folder.parent / "examples").symlink_to(CHECKOUT / "examples")
    token = stack.run("admin", "tokens", "create", "admin", "notebook", "--role", "operator")
    assert token.returncode == 0, token.stderr
    notebook = nbformat.read(CHECKOUT / "docs" / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # what it prints is never out of date
    reader = NotebookClient(
        notebook, timeout=PATIENCE_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    environment = stack.environment | {"DELINEATE_API": address, "DELINEATE_TOKEN": token.stdout.strip()}
    reader.execute(env=environment | {"PYTHONPATH": str(CHECKOUT)})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in code]
    images = len(list(EXAMPLES.iterdir()))
    assert f"{images} images" in printed[1]
    assert printed[2] == f"succeeded - {images} of {images}\n"
    assert any("image/png" in output.get("data", {}) for output in code[3].outputs)
    assert len(printed[4].splitlines()) == images + 1
    assert {"masks", "results.csv"} <= set(printed[5].split())
    assert len(list((folder / "quickstart-results" / "masks").iterdir())) == images


def test_killed_parts_come_back_and_a_killed_stack_starts_again(stack: EmbeddedStack):
    stack.wait_until_ready()
    [password] = lines(stack.output, "first start: log in as admin with password")
    for name in PARTS:
        before = stack.pid(name)
        os.kill(before, signal.SIGKILL)
        stack.wait_for(lambda name=name, before=before: stack.pid(name) != before)
    assert len(lines(stack.output, "was killed by SIGKILL; starts again in 1 s")) == len(PARTS)
    # And they work together as before.
    assert stack.producer("demo", "--count", "2", "--wait")["state"] == "succeeded"

    stack.process.kill()
    stack.process.wait()
    assert stack.nothing_is_left()

    stack.start()
    stack.wait_until_ready()
    assert not lines(stack.output, "first start")
    assert (stack.home / "admin-password").read_text().strip() in password
    assert stack.producer("demo", "--count", "2", "--wait")["state"] == "succeeded"
    assert stack.stop(signal.SIGTERM) == 0
    assert stack.processes() == []


def test_leftovers_that_outlived_their_supervisor_are_ended(stack: EmbeddedStack):
    stack.wait_until_ready()
    # Stopped, it cannot be told that its parent died; the kernel kills it all the same. So it is made to look
    # like one that the kernel forgot: a process that the state file names and that lives on.
    survivor = psutil.Popen(["sleep", "600"])
    state = stack.home / "standalone.json"
    content = state.read_text()
    stack.process.kill()
    stack.process.wait()
    assert stack.nothing_is_left()
    entry = f'{{"name": "worker", "pid": {survivor.pid}, "created": {survivor.create_time()}}}'
    state.write_text(re.sub(r'"children": \[.*\]', f'"children": [{entry}]', content, flags=re.S))
    stack.start()
    stack.wait_until_ready()
    assert survivor.wait() == -signal.SIGTERM
    assert lines(stack.output, "ended a worker that a killed stack had left running")
    assert stack.stop(signal.SIGHUP) == 0


def test_a_corrupt_model_ends_the_start_with_one_line(tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, model)
    (model / "model.safetensors").write_text("<!DOCTYPE html><html>Not found</html>")
    with EmbeddedStack(tmp_path / "home", settings={"MODEL_PATH": str(model)}) as stack:
        assert stack.process.wait(600) == 2
        *steps, error = stack.output.splitlines()
        [first_start] = [step for step in steps if not step.endswith(" …")]
        assert first_start.startswith("first start: ")
        assert error.startswith("error: the worker cannot start: ")
        assert "page" in error
        assert stack.processes() == []


def test_ctrl_c_while_starting_stops_at_once(stack: EmbeddedStack):
    stack.wait_for(lambda: len(stack.processes()) == len(PARTS))
    assert stack.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert "stopped by SIGINT before the stack was ready" in stack.output
    assert stack.processes() == []


def test_a_broker_that_is_configured_elsewhere_is_used_and_not_started(tmp_path: Path, broker_url: str):
    with EmbeddedStack(tmp_path / "home", settings={"BROKER_URL": broker_url}) as stack:
        stack.wait_until_ready()
        assert lines(stack.output, "^uses the broker of BROKER_URL and starts none of its own$")
        assert len(stack.processes()) == len(PARTS) - 1
        assert stack.producer("demo", "--count", "2", "--wait")["state"] == "succeeded"
        assert stack.stop() == 0


def test_a_broker_elsewhere_that_is_away_ends_the_start_with_one_line(tmp_path: Path):
    with EmbeddedStack(tmp_path / "home", settings={"BROKER_URL": "redis://127.0.0.1:1/0"}) as stack:
        assert stack.process.wait(PATIENCE_S) == 3
        assert re.fullmatch("uses the broker of BROKER_URL .*\nerror: Redis does not answer: .*\n", stack.output)
