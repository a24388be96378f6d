"""The evaluation on pictures beside the benchmark's as Markdown: targets, families, probes, trust, foreign ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.evaluation.markdown_table import table
from training.evaluation.targets import TARGETS

Models = Mapping[str, Mapping[str, Any]]

_FIGURES = {
    "Dice": "dice",
    "Dice p10": "dice_p10",
    "Dice < 0.7": "under_070",
    "wrongly “nothing”": "answered_nothing",
    "left empty": "left_empty",
    "foreground": "foreground",
}
_DECIMALS = ("dice", "dice_p10")  # the others are shares


def tables(models: Models) -> Iterator[str]:
    """Yield the tables of all parts that were measured."""
    for write in (_targets, _field, _probes, _trust, _risk, _calibration, _foreign):
        text = write(models)
        if text:
            yield text


def _targets(models: Models) -> str:
    if not any("probes" in parts for parts in models.values()):
        return ""
    rows = []
    for target in TARGETS:
        measured = [target.measured(parts) for parts in models.values()]
        if any(value is not None for value in measured):
            goal = f"{'≤' if target.is_most else '≥'} {target.shown(target.goal)}"
            cells = [_against(target.shown(v), target.is_met(v)) if v is not None else "" for v in measured]
            rows.append([target.name, goal, *cells])
    return table(["Dice unless named otherwise", "target", *models], rows)


def _against(shown: str, is_met: bool) -> str:
    return shown if is_met else f"**{shown}** missed"


def _field(models: Models) -> str:
    rows = []
    for name, parts in models.items():
        if found := parts.get("field"):
            rows += [
                [name, row["group"], f"{kind}{' †' * row['held_out']}", *_figures(row), str(row["images"])]
                for kind, row in found["families"].items()
            ]
            summaries = {**found["groups"], "trained": found["trained"], "held out": found["held_out"]}
            rows += [
                [name, group, f"**mean of {row['kinds']}**", *_figures(row), str(row["images"])]
                for group, row in summaries.items()
            ]
    head = ["model", "group", "family of field-v1 († never trained on)", *_FIGURES, "images"]
    return table(head, rows) if rows else ""


def _probes(models: Models) -> str:
    rows = [
        [name, row["group"], kind, *_figures(row), str(row["images"])]
        for name, parts in models.items()
        for kind, row in parts.get("probes", {}).get("kinds", {}).items()
    ]
    return table(["model", "group", "probe", *_FIGURES, "images"], rows) if rows else ""


def _trust(models: Models) -> str:
    names = _all_scores(models)
    rows = []
    for name, parts in models.items():
        if found := parts.get("trust"):
            scores = found["scores"]
            for group, counts in found["groups"].items():
                cells = [_trust_cell(scores[key]["groups"].get(group) if key in scores else None) for key in names]
                rows.append([name, group, str(counts["bad"]), str(counts["good"]), *cells])
    head = ["model", "group", "bad", "good", *(f"{name}: AUROC, caught, good flagged" for name in names)]
    return table(head, rows) if rows else ""


def _trust_cell(row: Mapping[str, float | None] | None) -> str:
    if row is None:
        return "–"
    return f"{_decimal(row['auroc'])}, {_percent(row['caught'])}, {_percent(row['good_flagged'])}"


def _risk(models: Models) -> str:
    rows = []
    for name, parts in models.items():
        for score, report in parts.get("trust", {}).get("scores", {}).items():
            cells = [f"{each['worth']:.3f} ({each['bad']:.0%} bad)" for each in report["risk"].values()]
            rows.append([name, score, *cells])
            head = ["model", "kept by", *(f"{coverage} kept" for coverage in report["risk"])]
    return table(head, rows) if rows else ""


def _calibration(models: Models) -> str:
    rows = []
    for name, parts in models.items():
        for score, sets in parts.get("trust", {}).get("calibration", {}).items():
            for which, found in sets.items():
                rows.append([name, score, which, *_calibration_cells(found)])
    head = ["model", "estimate", "scenes", "mean estimate → Dice (images), by bin", "bias", "mean error", "correlation"]
    return table(head, rows) if rows else ""


def _calibration_cells(found: Mapping[str, Any]) -> list[str]:
    bins = (f"{row['estimate']:.2f} → {row['dice']:.2f} ({row['images']})" for row in found["bins"].values())
    figures = f"{found['bias']:+.3f}", f"{found['mean_absolute_error']:.3f}", _decimal(found["correlation"])
    return [", ".join(bins), *figures]


def _foreign(models: Models) -> str:
    rows = []
    missing: set[str] = set()
    for name, parts in models.items():
        if found := parts.get("foreign"):
            missing |= set(found["missing"])
            for package, row in {**found["packages"], "all": found["all"]}.items():
                scores = ", ".join(f"{score} {mean:.2f}" for score, mean in row["scores"].items())
                flagged = ", ".join(f"by {score} {share:.0%}" for score, share in row["flagged"].items())
                figures = [_percent(row["foreground"]), _percent(row["left_empty"])]
                called = _percent(row["called_unfamiliar"])
                rows.append([name, package, str(row["images"]), *figures, scores, called, flagged])
    if not rows:
        return ""
    head = [
        "model",
        "pictures out of",
        "images",
        "foreground",
        "left empty",
        "mean scores",
        "called unfamiliar",
        "flagged",
    ]
    note = f"\n\nNot installed, so left out: {', '.join(sorted(missing))}." if missing else ""
    return table(head, rows) + note


def _all_scores(models: Models) -> list[str]:
    reports = [parts["trust"]["scores"] for parts in models.values() if "trust" in parts]
    return list(dict.fromkeys(name for report in reports for name in report))


def _figures(row: Mapping[str, Any]) -> list[str]:
    return [(_decimal if key in _DECIMALS else _percent)(row.get(key)) for key in _FIGURES.values()]


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}" if 0 < value < 0.01 else f"{value:.0%}"
