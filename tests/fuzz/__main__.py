"""Run a campaign from the command line; exit code 1 where a file ended in neither pixels nor an error with a code."""

import argparse
import sys
import time

from shared.images.decoder import BYTES_PER_PIXEL, SLACK_BYTES
from tests.fuzz.campaign import LIMITS, Findings, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Decode broken files.")
    parser.add_argument("--count", type=int, default=20_000, help="files (default 20,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="INDEX", help="this file of the campaign alone")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="for one file (default 60)")
    arguments = parser.parse_args()
    indices = range(arguments.count) if arguments.only is None else [arguments.only]
    started = time.monotonic()
    findings = Findings()
    for findings in run(arguments.seed, indices, processes=arguments.processes, seconds=arguments.seconds):
        done, passed = findings.outcomes.total(), time.monotonic() - started
        print(f"{done} of {len(indices)} in {passed:.0f} s", file=sys.stderr, flush=True)
    _report(findings)
    return 1 if findings.broken else 0


def _report(findings: Findings) -> None:
    for name, count in findings.outcomes.most_common():
        print(f"{count:7} {name}")
    print(f"decoders replaced: {dict(findings.replaced) or 'none'}")
    for index, code in sorted(findings.blamed.items()):
        print(f"  file {index}: {code}")
    bound = (BYTES_PER_PIXEL * LIMITS.max_side**2 + SLACK_BYTES) / 2**20
    print(f"slowest file: {findings.slowest:.1f} s")
    print(
        f"most memory: decoder {findings.decoder_mib:.0f} MiB (bound {bound:.0f}), here {findings.parent_mib:.0f} MiB"
    )
    for index, what in sorted(findings.broken.items()):
        print(f"BROKEN: file {index}: {what}")


if __name__ == "__main__":
    sys.exit(main())
