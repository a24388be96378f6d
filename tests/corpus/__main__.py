"""Build a corpus from the command line."""

import argparse
import json
from collections import Counter
from pathlib import Path

from tests.corpus.examples import write_examples
from tests.corpus.mixed import build_mixed_corpus


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500, help="files in the folder (default 500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--manifest", type=Path, help="write what each file must become, as JSON")
    parser.add_argument("--examples", action="store_true", help="write the repository's example images instead")
    arguments = parser.parse_args()
    if arguments.examples:
        written = write_examples(arguments.folder)
        print(f"{len(written)} images, {sum(path.stat().st_size for path in written) / 1e6:.2f} MB")
        return
    manifest = build_mixed_corpus(arguments.folder, arguments.count, arguments.seed)
    print(f"{len(manifest.good)} images to segment, {len(manifest.bad)} files to refuse:")
    for code, count in sorted(Counter(manifest.bad.values()).items()):
        print(f"  {count:3} {code}")
    if arguments.manifest:
        arguments.manifest.write_text(json.dumps({"good": manifest.good, "bad": manifest.bad}, indent=1))


if __name__ == "__main__":
    main()
