"""`admin standalone` whose worker and reconciler are the armed ones: `python -m tests.faults.standalone FOLDER …`."""

import sys
from dataclasses import replace
from pathlib import Path

from admin.cli import main
from admin.standalone import stack
from admin.standalone.child import Part
from admin.standalone.parts import python_parts
from tests.faults.armed import armed_command

_ARMED = ("worker", "reconciler")


def _armed_parts(environment: dict[str, str], *, port: int, secret_key: str) -> list[Part]:
    parts = python_parts(environment, port=port, secret_key=secret_key)
    folder = Path(sys.argv[1])
    return [replace(part, command=armed_command(folder, part.name)) if part.name in _ARMED else part for part in parts]


if __name__ == "__main__":
    stack.python_parts = _armed_parts
    main(["standalone", *sys.argv[2:]])
