"""One model on pictures beside the benchmark's: families of field-v1, probes, and what packages bring along.

Each set of pictures is segmented once, whichever reports ask for it.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from shared.net.predictor import Predictor
from shared.synth import find_definition
from training.data.seeds import FIELD_SEEDS
from training.evaluation.field_cases import Kind, Picture, families, family_picture
from training.evaluation.foreign import sources
from training.evaluation.probes import PROBES, SIZES
from training.evaluation.results import Keep, Result, Row, judge, mean_row, rows_by_kind
from training.evaluation.scoring import generate
from training.evaluation.sets import val_cases
from training.evaluation.trust import BENCHMARK, alarm_threshold, is_unfamiliar, trust_report

SCENES = 32
"""Scenes of each family and probe, where nobody says how many."""

_BENCHMARK_SCENES = 8  # times as many of val, whose good results say what is usual


class Examination:
    """Asks one model, and reports by part.

    Args:
        predictor: the model.
        scenes: of each family and probe.
        keep: is told of every picture of families and probes with what came of it.
    """

    def __init__(self, predictor: Predictor, scenes: int = SCENES, keep: Keep | None = None) -> None:
        self._predictor = predictor
        self._scenes = scenes
        self._keep = keep
        self._results: dict[str, list[Result]] = {}

    def report(self, part: str) -> dict[str, Any]:
        """Return the figures of "field", "probes", "trust" or "foreign"."""
        reports = {"field": self._field, "probes": self._probes, "trust": self._trust, "foreign": self._foreign}
        return reports[part]()

    def _field(self) -> dict[str, Any]:
        rows = rows_by_kind(self._field_results)
        trained = [row for row in rows.values() if not row["held_out"] and row["group"] != "size"]
        groups = dict.fromkeys(row["group"] for row in rows.values())
        return {
            "families": rows,
            "groups": {g: mean_row(r for r in rows.values() if r["group"] == g and not r["held_out"]) for g in groups},
            "trained": mean_row(trained),
            "held_out": mean_row(row for row in rows.values() if row["held_out"]),
        }

    def _probes(self) -> dict[str, Any]:
        rows = rows_by_kind([result for name in PROBES for result in self._of_probe(name)])
        held_out = rows_by_kind([r for kind in families() if kind.is_held_out for r in self._of_family(kind)])
        return {
            "kinds": rows,
            "nothing": mean_row(row for row in rows.values() if row["group"] == "nothing"),
            "held_out": mean_row(held_out.values()),
        }

    def _trust(self) -> dict[str, Any]:
        return trust_report([*self._benchmark_results, *self._field_results, *self._foreign_results])

    def _foreign(self) -> dict[str, Any]:
        rows: dict[str, Row] = {}
        for name in dict.fromkeys(result.kind.name for result in self._foreign_results):
            rows[name] = self._foreign_row([r for r in self._foreign_results if r.kind.name == name])
        missing = [source.package for source in sources() if source.folder is None]
        together = self._foreign_row(self._foreign_results)
        unfamiliar = together["called_unfamiliar"]
        headline = {} if unfamiliar is None else {"called_unfamiliar": unfamiliar}
        return {"packages": rows, "all": together, "missing": missing, "headline": headline}

    def _foreign_row(self, results: Sequence[Result]) -> Row:
        names = dict.fromkeys(name for result in results for name in result.scores)
        row: Row = {
            "images": len(results),
            "foreground": _mean(result.foreground for result in results),
            "left_empty": _mean(not result.is_bad for result in results),
            "called_unfamiliar": _mean(of for of in map(is_unfamiliar, results) if of is not None),
            "scores": {},
            "flagged": {},
        }
        for name in names:
            values = [result.scores[name] for result in results if name in result.scores]
            row["scores"][name] = _mean(values)
            if (threshold := alarm_threshold(self._benchmark_results, name)) is not None:
                row["flagged"][name] = _mean(value < threshold for value in values)
        return row

    @cached_property
    def _field_results(self) -> list[Result]:
        of_families = [result for kind in families() for result in self._of_family(kind)]
        return of_families + [result for name in SIZES for result in self._of_probe(name)]

    @cached_property
    def _benchmark_results(self) -> list[Result]:
        kind = Kind("val", BENCHMARK, "noise up to the strongest")
        definition = find_definition(BENCHMARK)
        samples = ((case.seed, generate(case, definition)) for case in val_cases(_BENCHMARK_SCENES * self._scenes))
        return list(judge(self._predictor, (Picture(kind, str(seed), s.image, s.mask) for seed, s in samples)))

    @cached_property
    def _foreign_results(self) -> list[Result]:
        return list(judge(self._predictor, (picture for source in sources() for picture in source.pictures())))

    def _of_family(self, kind: Kind) -> list[Result]:
        return self._judged(kind.name, (family_picture(kind, seed) for seed in FIELD_SEEDS[: self._scenes]))

    def _of_probe(self, name: str) -> list[Result]:
        return self._judged(name, PROBES[name].pictures(self._scenes))

    def _judged(self, name: str, pictures: Iterable[Picture]) -> list[Result]:
        if name not in self._results:
            self._results[name] = list(judge(self._predictor, pictures, self._keep))
        return self._results[name]


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None
