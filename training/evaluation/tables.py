"""The evaluation as Markdown."""

from collections.abc import Mapping
from typing import Any

from training.evaluation import reality_tables
from training.evaluation.markdown_table import table
from training.evaluation.markers import Markers

MARKERS = Markers("evaluation")

_COLUMNS = {
    "Dice": "dice",
    "Dice p10": "dice_p10",
    "IoU": "iou",
    "precision": "precision",
    "recall": "recall",
    "boundary F1": "boundary_f1",
    "Hausdorff95 (px)": "hausdorff95",
    "ECE": "ece",
    "ECE by image": "ece_by_image",
    "images": "images",
}

_SETS = {
    "val": "val: noise up to the strongest",
    "clean": "clean: no noise",
    "blobs": "blobs, severity 0.5",
    "shapes": "shapes never trained on, severity 0.5",
}


def markdown(results: Mapping[str, Any]) -> str:
    """Write the tables of what `evaluate` found.

    Args:
        results: {"definition": {"name": …, "sha256": …}, "models": {name: {part: …}}, "baselines": …, "oracle": …};
            the parts are optional; the definition is missing where no part depends on it.
    """
    models: Mapping[str, Mapping[str, Any]] = results["models"]
    parts = [
        _definition(results.get("definition")),
        _sets(models),
        _strata(models),
        _robustness(models),
        _costs(models),
        _baselines(results.get("baselines")),
        _oracle(results.get("oracle")),
        *reality_tables.tables(models),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _definition(measured_on: Mapping[str, str] | None) -> str:
    return f"Measured on {measured_on['name']} (definition {measured_on['sha256'][:10]})." if measured_on else ""


def _sets(models: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [name, shown, *(_figure(found[set_name][key], key) for key in _COLUMNS.values())]
        for set_name, shown in _SETS.items()
        for name, found in models.items()
        if set_name in found
    ]
    return table(["model", "set", *_COLUMNS], rows) if rows else ""


def _strata(models: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, found in models.items():
        for kind, stratum in found.get("strata", {}).items():
            curve = ", ".join(f"{strength}: {score:.3f}" for strength, score in stratum["curve"].items())
            point = stratum["breaking_point"]
            rows.append([name, kind, curve, "none reached" if point is None else f"{point:.2g}"])
    return table(["model", "noise", "Dice by strength", "falls under 0.80 at"], rows) if rows else ""


def _robustness(models: Mapping[str, Mapping[str, Any]]) -> str:
    found = {name: parts["robustness"] for name, parts in models.items() if "robustness" in parts}
    if not found:
        return ""
    changes = next(iter(found.values()))["changes"]
    rows = [[change, *(f"{r['changes'][change]:+.4f}" for r in found.values())] for change in changes]
    return table(["change of a clean image", *(f"change of Dice, {name}" for name in found)], rows)


def _costs(models: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, parts in models.items():
        for speed in parts.get("cost", {}).get("speeds", []):
            cost = parts["cost"]
            where = "CPU, 2 threads" if speed["device"] == "cpu" else speed["device"]
            rows.append(
                [
                    name,
                    f"{cost['parameters'] / 1e6:.2f} M",
                    f"{cost['gflop']:.2f}",
                    f"{where}, {speed['precision']}",
                    f"{speed['images_per_second']:.1f}",
                    f"{speed['peak_memory_mib']:.0f} MiB",
                ]
            )
    head = ["model", "parameters", "GFLOP per 512×512", "device", "images per second", "peak memory"]
    return table(head, rows) if rows else ""


def _baselines(found: Mapping[str, Mapping[str, float]] | None) -> str:
    if not found:
        return ""
    images = int(next(iter(found.values()))["images"])
    sets = [name for name in _SETS if name in next(iter(found.values()))]
    rows = [[name, *(f"{row[part]:.3f}" for part in sets)] for name, row in found.items()]
    return table([f"classical method, Dice of {images} images", *sets], rows)


def _oracle(found: Mapping[str, Mapping[str, Any]] | None) -> str:
    if not found:
        return ""
    images = next(iter(found.values()))["images"]
    rows = [[name, row["parameters"], f"{row['dice']:.3f}", f"{row['shapes']:.3f}"] for name, row in found.items()]
    head = ["given the exact dots", "parameters, in dot spacings", f"Dice of {images} clean images", "of the shapes"]
    return table(head, rows)


def _figure(value: float, key: str) -> str:
    if key == "images":
        return str(int(value))
    return f"{value:.1f}" if key == "hausdorff95" else f"{value:.3f}"
