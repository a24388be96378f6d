"""Run the benchmarks, and write what they found into benchmarks/results/latest.json and docs/performance.md.

make bench
make bench ARGS="--only efficiency,latency"
make bench ARGS="--quick"                      # a minute or two to see that they run; writes nothing
"""

import argparse
import importlib
import json
import shlex
import sys
import time
from collections.abc import Collection, Mapping

from benchmarks.machine import described
from benchmarks.measure import Effort, Row, end_cleanly, markdown
from benchmarks.report import MARKERS, chart, document, merged
from devservers import SERVERS, missing_servers
from shared.commandline import Parser
from shared.config import CHECKOUT

# Module → its heading in docs/performance.md.
BENCHMARKS = {
    "efficiency": "Efficiency: whole jobs against the bare network",
    "comparison": "Against what one would do instead",
    "scale": "Workers, folders, memory",
    "latency": "One image",
    "large_images": "Large images",
    "tiling": "Tiles against the whole image",
    "resampling": "Dots of another size",
    "points": "Point tables, by the spacing of their dots",
    "million_items": "A million images in SQL",
    "bulk_retry": "A retry by cause over all jobs",
    "submission": "Submitting a folder",
    "exports": "Exports of ten thousand results",
    "object_store": "CPU of an object's way to and from S3",
    "codecs": "PNG",
    "objects": "Counting objects",
    "decoding": "Decoding, in the process and apart",
    "preparation": "Preparation of an image",
    "synthesis": "Synthesis for training",
}

# Module → the servers that it starts; the others need none.
NEEDS: Mapping[str, Collection[str]] = {
    **dict.fromkeys(("efficiency", "comparison", "scale", "latency", "large_images", "submission"), tuple(SERVERS)),
    "million_items": ("postgres",),
    "bulk_retry": ("postgres",),
    "object_store": ("s3",),
}

RESULTS = CHECKOUT / "benchmarks" / "results" / "latest.json"
DOCUMENT = CHECKOUT / "docs" / "performance.md"
CHART = CHECKOUT / "docs" / "images" / "stages.png"


def main() -> int:
    """Return 0; 1 where a benchmark failed, the others' figures being written all the same; 2 where one cannot run."""
    parser = Parser("benchmarks", __doc__ or "", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", metavar="NAMES", default=",".join(BENCHMARKS), help=f"some of {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--quick", action="store_true", help="only show that they run; the figures mean nothing")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        parser.error(f"there is no benchmark {', '.join(unknown)}: take some of {', '.join(BENCHMARKS)}")

    # Before minutes are spent on the first of them.
    if missing := missing_servers(server for name in names for server in NEEDS.get(name, ())):
        print(f"error: {'; '.join(missing)} (`make test-servers` installs what it can)", file=sys.stderr)
        return 2
    end_cleanly()
    about = described() | {"command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])}
    found: dict[str, list[Row]] = {}
    runs: dict[str, dict[str, object]] = {}
    for name in names:
        print(f"\n{BENCHMARKS[name]} (python -m benchmarks.{name})\n", flush=True)
        start = time.monotonic()
        try:
            found[name] = importlib.import_module(f"benchmarks.{name}").rows(Effort(quick=options.quick))
        except Exception as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            if options.quick:
                raise
            continue
        runs[name] = {"date": about["date"], "commit": about["commit"], "seconds": round(time.monotonic() - start)}
        print(markdown(found[name]), flush=True)
        if not options.quick:
            _write(about, runs, found)
    return 0 if found.keys() == set(names) else 1


def _write(about: dict[str, object], runs: dict[str, dict[str, object]], found: dict[str, list[Row]]) -> None:
    results = merged(RESULTS, about, runs, found)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    MARKERS.insert(DOCUMENT, document(results, BENCHMARKS))
    chart(results, CHART)


if __name__ == "__main__":
    sys.exit(main())
