"""What `make` says while it installs, and which torch it takes."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from shared.config import CHECKOUT
from shared.flows.exports.registry import EXPORTS


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loader = SourceFileLoader("install", str(CHECKOUT / "scripts" / "install"))
    spec = spec_from_loader("install", loader)
    assert spec is not None
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.delenv("TORCH", raising=False)
    monkeypatch.setattr(module, "_NVIDIA", ("/nowhere/nvidia0",))
    monkeypatch.setattr(module, "has_sources", lambda: False)
    monkeypatch.setattr(module, "answers", lambda _url: True)
    monkeypatch.setattr(sys, "platform", "linux")
    return module


def test_without_a_device_torch_is_that_of_the_cpu(install: ModuleType) -> None:
    assert install.torch_index() == install.CPU_INDEX


def test_with_a_device_it_is_pypi_s(install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_NVIDIA", (str(tmp_path),))
    assert install.torch_index() is None
    monkeypatch.setenv("TORCH", "cpu")
    assert install.torch_index() == install.CPU_INDEX


@pytest.mark.parametrize(
    ("name", "value"), [("TORCH", "cuda"), ("has_sources", True), ("answers", False), ("platform", "darwin")]
)
def test_whoever_decides_otherwise_is_followed(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    if name == "TORCH":
        monkeypatch.setenv(name, str(value))
    elif name == "platform":
        monkeypatch.setattr(sys, name, value)
    else:
        monkeypatch.setattr(install, name, lambda *_: value)
    assert install.torch_index() is None


def test_another_word_is_refused(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH", "gpu")
    with pytest.raises(SystemExit) as end:
        install.torch_index()
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (":env:.extra-index-url='https://example.org'", True), ("global.find-links='/wheels'", True),
        ("install.no-index='true'", True), ("global.index-url=''", False), ("global.cert='/etc/index-url='", False),
        ("global.timeout='60'", False), ("", False),
    ],
)  # fmt: skip
def test_pip_s_own_sources_are_known(monkeypatch: pytest.MonkeyPatch, told: str, known: bool) -> None:
    loader = SourceFileLoader("install", str(CHECKOUT / "scripts" / "install"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = module_from_spec(spec_from_loader("install", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, told, ""))
    assert module.has_sources() is known


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Downloading torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl (190.1 MB)", "fetching torch, 190.1 MB"),
        ("  Downloading scipy-1.17.0-cp311-cp311-linux.whl.metadata (62 kB)", None),
        ("  Using cached numpy-2.4.6-cp311-cp311-linux.whl (16.9 MB)", "taking numpy from pip's cache"),
        ("Downloading nvidia_cublas-13.1-py3-none-linux.whl (1.2 GB)", "fetching nvidia_cublas, 1.2 GB"),
        ("Downloading click-8.1-py3-none-any.whl (98 kB)", None),
        ("Processing /nowhere/torch-2.13.0+cpu-cp311-cp311-linux.whl", None),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Requirement already satisfied: torch", None),
    ],
)
def test_what_takes_long_is_told(install: ModuleType, line: str, told: str | None) -> None:
    assert install.step(line) == told


def test_a_large_file_of_this_machine_is_told(install: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux.whl"
    with wheel.open("wb") as file:
        file.truncate(20_000_000)
    assert install.step(f"Processing {wheel}") == "taking torch from this machine"


def test_silence_is_broken_and_a_failure_is_one_line(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "_SILENCE_SECONDS", 0.05)
    slow = (
        "print('Downloading torch-2-x.whl (190.1 MB)', flush=True); import time; time.sleep(0.5); raise SystemExit(3)"
    )
    with pytest.raises(subprocess.CalledProcessError):
        install.pip([sys.executable, "-c", slow], "torch")
    lines = capsys.readouterr().out.splitlines()
    assert "  fetching torch, 190.1 MB" in lines
    assert lines[-1].startswith("  fetching torch, 190.1 MB, ")
    monkeypatch.setattr(install, "stack", lambda _part: install.pip([sys.executable, "-c", "raise SystemExit(3)"], "x"))
    monkeypatch.setattr(sys, "argv", ["install", "stack"])
    assert install.main() == 3
    assert capsys.readouterr().err.startswith("error: pip could not install it")


def pins(name: str) -> set[str]:
    lines = (CHECKOUT / "requirements" / f"{name}.lock").read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}


def test_the_stack_has_all_that_its_parts_need_at_the_versions_of_the_rest() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["admin"], *extras["worker"], *extras["standalone"]]
    names = {re.split(r"[\[<>=; ]", each)[0].lower() for each in needed} - {"delineate", "torch"}
    assert names <= {pin.partition("==")[0] for pin in pins("stack")}
    assert pins("stack") < pins("runtime")
    assert pins("light") <= pins("stack")


@pytest.mark.parametrize("part", ["stack", "light"])
def test_what_make_and_the_images_install_can_write_every_format(part: str) -> None:
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (CHECKOUT / "requirements" / f"{part}.lock").read_text()))
    distributions = importlib.metadata.packages_distributions()
    needed = {name for export in EXPORTS.values() for module in export.needs for name in distributions[module]}
    assert needed >= {"pyarrow", "roifile", "tifffile"}
    assert needed <= locked
