"""manifest.json, the last file of every export: what was asked, of which job and models, and what is missing, and why.

A JSON object, described by manifest.schema.json beside this module. Its `missing` has one entry for each wanted item
that has no result, and for each file that could not be made of one that has.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from shared.flows.exports.export import Export, ExportFile, Lack, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.jobs.records import Item, Job
from shared.jobs.state import ItemStatus
from shared.version import code_version

MANIFEST = "manifest.json"
VERSION = 1

_NO_RESULT = tuple(state for state in ItemStatus if state is not ItemStatus.SUCCEEDED)


class Exporting:
    """One export of one job under way: its files, and what it lacks.

    Whoever writes the files says what it could not get (`lacks`), before it takes the next one.
    """

    def __init__(
        self,
        export: Export,
        results: JobResults,
        *,
        renamed: Mapping[str, str] | None = None,
        made_at: float | None = None,
    ) -> None:
        """Take what is to be exported.

        Args:
            export: what of it.
            results: of which job.
            renamed: gives files other names than their own.
            made_at: what the manifest says of its time, in Unix seconds, where the same is made again; None: now.

        Raises:
            UsageError: the export needs something that is not installed.
        """
        export.check_installed()
        self.export = export
        self.results = results
        self._renamed = renamed or {}
        self._made_at = made_at
        self.lacking: list[Lack] = []
        self.without_result = 0  # of the wanted items, once the manifest is written

    def lacks(self, lack: Lack) -> None:
        """Remember that something is missing."""
        self.lacking.append(lack)

    def files(self) -> Iterator[ExportFile]:
        """Yield the files of the export, and its manifest last."""
        for file in chain(self.export.files(self.results), [WrittenFile(MANIFEST, self._manifest)]):
            yield replace(file, name=self._renamed[file.name]) if file.name in self._renamed else file

    @property
    def identity(self) -> str:
        """Tell parts of this export from those of another job, format, filter or version."""
        return f"{self.results.job.id} {self.export.name} {code_version()} {self.results.wanted.words()}"

    @property
    def count(self) -> int:
        """How many files there will be at most."""
        return self.export.count(self.results.job) + 1

    def _manifest(self) -> Iterator[bytes]:
        """Yield manifest.json, an entry a block."""
        states: Counter[str] = Counter()
        models: dict[str, str | None] = {}
        thresholds: set[float] = set()
        for item in self.results.items():
            states[item.state.value] += 1
            if item.model is not None:
                models[item.model] = item.model_name
            if item.threshold is not None:
                thresholds.add(item.threshold)
        with_result = states[ItemStatus.SUCCEEDED.value]
        self.without_result = states.total() - with_result
        head = {
            "delineate_export": VERSION,
            "made_at": _time(datetime.now(UTC).timestamp() if self._made_at is None else self._made_at),
            "made_by": f"delineate {code_version()}",
            "asked": {
                "format": self.export.name,
                "description": self.export.description,
                "filter": self.results.wanted.words(),
            },
            "job": _job(self.results.job),
            "models": sorted(models),
            "model_names": {model: name for model, name in sorted(models.items()) if name is not None},
            "thresholds": sorted(thresholds),
            "counts": {"items": states.total(), "with_result": with_result, "states": states},
        }
        text = json.dumps(head, indent=1, ensure_ascii=False)
        yield text.removesuffix("\n}").encode() + b',\n "missing": ['
        separator = b"\n  "
        for entry in _missing(self.results, self.lacking):
            yield separator + json.dumps(entry, ensure_ascii=False).encode(errors="replace")
            separator = b",\n  "
        yield b"\n ]\n}\n"


def _missing(results: JobResults, lacking: Iterable[Lack]) -> Iterator[dict[str, Any]]:
    for lack in lacking:
        yield {"path": lack.path, "file": lack.file or None, "state": ItemStatus.SUCCEEDED.value, "reason": lack.reason}
    for item in results.items(states=_NO_RESULT):
        yield {"path": item.path, "file": None, "state": item.state.value, "reason": why_without_result(item)}


def why_without_result(item: Item) -> str:
    """Return one line on why an item has no result (yet)."""
    match item.state:
        case ItemStatus.FAILED:
            return f"{item.error_code}: {item.error}"
        case ItemStatus.CANCELLED:
            return "it was cancelled: `producer retry` tries it again"
        case _:
            return "it is not done yet: repeat the export once the job has ended"


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind.value,
        "state": job.state.value,
        "submitted_by": job.submitted_by,
        "created_at": _time(job.created_at),
        "finished_at": None if job.finished_at is None else _time(job.finished_at),
        "model": job.model,
        "model_name": job.model_name,
        "threshold": job.threshold,
        "scale": job.scale,
        "channel": job.channel,
        "pixel_size": None if job.pixel_size is None else job.pixel_size.exact,
        "postprocessing": job.postprocessing,
        "unfamiliar": job.unfamiliar.value,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
