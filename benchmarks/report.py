"""What the benchmarks found: benchmarks/results/latest.json, and the tables and the chart of docs/performance.md."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, markdown, shown
from training.evaluation.markers import Markers

MARKERS = Markers("bench")

_MACHINE = ("date", "commit", "model", "cpu", "cores", "memory_gib", "gpu", "system", "python")


def merged(
    path: Path, described: Mapping[str, Any], runs: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]
) -> dict[str, Any]:
    """The content of latest.json: these benchmarks' rows, and those that it holds already of all others.

    `runs` tells of each benchmark when, from which commit and for how long it ran.
    """
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = [result for result in before.get("results", []) if result["benchmark"] not in rows]
    fresh = [
        {"benchmark": benchmark} | {key: value for key, value in asdict(row).items() if value is not None}
        for benchmark, found in rows.items()
        for row in found
    ]
    return {**described, "runs": before.get("runs", {}) | dict(runs), "results": kept + fresh}


def document(results: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """All tables, those of the benchmarks in the order of their titles."""
    parts = [_about(results)]
    for benchmark, title in titles.items():
        rows = [
            Row(**{key: value for key, value in result.items() if key != "benchmark"})
            for result in results["results"]
            if result["benchmark"] == benchmark
        ]
        if rows:
            run = results["runs"][benchmark]
            origin = f"{run['date']}, commit {run['commit'][:10]}, {run['seconds']:.0f} s"
            parts.append(f"### {title}\n\n{markdown(rows)}\n`python -m benchmarks.{benchmark}`, {origin}.\n")
    return "\n".join(parts)


def chart(results: Mapping[str, Any], path: Path) -> bool:
    """Draw what each stage costs; False where the results have no stages."""
    stages = {
        result["name"].removeprefix("stage ").partition(",")[0]: result
        for result in results["results"]
        if result["name"].startswith("stage ")
    }
    if not stages:
        return False
    from matplotlib.figure import Figure

    names = sorted(stages, key=lambda name: stages[name]["value"])
    values = [stages[name]["value"] for name in names]
    below = [stages[name]["value"] - stages[name]["lower_quartile"] for name in names]
    above = [stages[name]["upper_quartile"] - stages[name]["value"] for name in names]
    figure = Figure(figsize=(8, 0.45 * len(names) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(names, values, xerr=(below, above), color="#2a6f97", error_kw={"ecolor": "#888888"})
    axes.bar_label(bars, [f"{shown(value)}" for value in values], padding=6)
    axes.set_xlabel("milliseconds of CPU per image of 512×512, median and quartiles")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return True


def _about(results: Mapping[str, Any]) -> str:
    lines = ["| | |", "|---|---|", f"| command | `{results['command']}` |"]
    lines += [
        f"| {name.replace('_gib', ', GiB')} | {results[name]} |" for name in _MACHINE if results[name] is not None
    ]
    lines += [f"| {name} | {version} |" for name, version in results["versions"].items()]
    return "\n".join(lines) + "\n"
