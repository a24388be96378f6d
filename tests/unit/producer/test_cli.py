"""What the command line loads, and what it says of itself."""

import subprocess
import sys

from click.testing import CliRunner

from producer.cli import main
from shared.synth import DEFINITIONS, NOISE_LABELS


def test_submitting_loads_neither_numpy_nor_pillow():
    program = (
        "import sys, producer.cli; print(sorted({'numpy', 'PIL', 'torch', 'boto3', 'alembic'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_help_names_every_kind_of_noise():
    said = " ".join(CliRunner().invoke(main, ["demo", "--help"]).output.split())
    *others, last = NOISE_LABELS
    assert f"{', '.join(others)} or {last}" in said


def test_help_names_every_definition():
    said = " ".join(CliRunner().invoke(main, ["demo", "--help"]).output.split())
    assert all(name in said.partition("--definition")[2] for name in DEFINITIONS)
