"""`producer`, which Python runs by `python -m producer` too."""

import sys

from shared.version import code_version


def main() -> None:
    """Answer `--version` at once; all else is the command line's, which takes a second to load."""
    if sys.argv[1:] == ["--version"]:
        print(f"producer, version {code_version()}")
        return
    from producer.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
