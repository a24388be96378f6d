"""Standard output whose encoding does not know every character: a log of a batch system, an old locale."""

import io
import sys


def replace_unknown_characters() -> None:
    """Have `?` written for what the encoding lacks, so that no program fails at telling how it went.

    Standard error writes escapes for it by itself.
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="replace")
