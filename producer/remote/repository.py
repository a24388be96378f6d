"""The jobs of an API, asked for as those of a database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import uuid4

from typing_extensions import override

from delineate_client.connection import Connection
from delineate_client.sending import NamedFile, batches, send
from producer.remote.records import item_of, job_of, registered_model
from producer.remote.store import RemoteStore
from producer.remote.translated import translated
from shared.db.database import Database
from shared.db.model_registry import model_named
from shared.errors import ItemErrorCode, JobNotFound
from shared.flows.item_words import FilterWords
from shared.flows.prefixes import Listing, Wanted
from shared.flows.synthetic import SyntheticSpec
from shared.images.channel_choice import AUTO
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.clones import CloneChanges
from shared.jobs.item_filter import ItemFilter
from shared.jobs.records import FileVersion, Item, Job, Mark, Marks, NewItem, Priority, ScoreSums, Unfamiliar
from shared.jobs.repository import Repository
from shared.jobs.retries import Within
from shared.jobs.state import ItemStatus, JobKind
from shared.objects.options import PostProcessing
from shared.pixel_size import PixelSize

_PAGE = 500


class RemoteRepository(Repository):
    """What the commands of `producer` ask of a repository; `database` answers nothing else."""

    def __init__(self, connection: Connection, store: RemoteStore, database: Database) -> None:
        super().__init__(database)
        self._connection = connection
        self._store = store

    # -- reading ---------------------------------------------------------------------------------------------

    @override
    def job(self, job_id: str) -> Job:
        return job_of(self._json("GET", f"jobs/{job_id}"))

    @override
    def kind(self, job_id: str) -> JobKind:
        return self.job(job_id).kind

    @override
    def jobs(self, *, limit: int, before: str | None = None) -> list[Job]:
        query = {"limit": min(limit, _PAGE)} | ({"before": before} if before else {})
        return [job_of(value) for value in self._json("GET", "jobs", params=query)["jobs"]]

    @override
    def job_ids_ending(self, ending: str, *, limit: int) -> list[str]:
        found = self._json("GET", "jobs", params={"id_ends": ending, "limit": limit})
        return [value["id"] for value in found["jobs"]]

    @override
    def items(
        self,
        job_id: str,
        *,
        limit: int,
        after: int = -1,
        states: Sequence[ItemStatus] = (),
        mark: Mark | None = None,
    ) -> list[Item]:
        query: dict[str, Any] = {"mark": mark.value} if mark else {}
        if states:
            query["state"] = ",".join(state.value for state in states)
        found: list[Item] = []
        while len(found) < limit:
            page = self._json(
                "GET", f"jobs/{job_id}/items", params=query | {"after": after, "limit": min(limit, _PAGE)}
            )
            found += map(item_of, page["items"])
            if page["next"] is None:
                break
            after = int(page["next"])
        return found[:limit]

    @override
    def found(self, job_id: str, wanted: ItemFilter, *, limit: int, after: int = -1) -> tuple[list[Item], int | None]:
        query = {**FilterWords.of(wanted).words(), "after": after, "limit": min(limit, _PAGE)}
        page = self._json("GET", f"jobs/{job_id}/items", params=query)
        return [item_of(item) for item in page["items"]], None if page["next"] is None else int(page["next"])

    @override
    def paths(self, job_id: str, *, limit: int, after: int = -1) -> list[tuple[int, str]]:
        return [(item.number, item.path) for item in self.items(job_id, limit=limit, after=after)]

    @override
    def item(self, item_id: str) -> Item | None:
        try:
            return item_of(self._json("GET", f"items/{item_id}"))
        except JobNotFound:
            return None

    @override
    def marks(self, job_id: str) -> Marks:
        told = self._summary(job_id)
        return Marks(**{name: told[name] for name in ("nothing_found", "unfamiliar", "reasons", "noted")})

    @override
    def notes(self, job_id: str) -> Mapping[str, int]:
        notes: Mapping[str, int] = self._summary(job_id)["notes"]
        return notes

    @override
    def score_sums(self, job_id: str) -> ScoreSums | None:
        told = self._summary(job_id)["scores"]
        if told is None:
            return None
        count = told["images"]
        return ScoreSums(count, told["dice"] * count, told["iou"] * count, told["lowest_dice"])

    @override
    def failures(self, job_id: str, code: ItemErrorCode) -> int:
        return int(self._summary(job_id)["failures"].get(code.value, 0))

    @override
    def worked_seconds(self, job: Job) -> float | None:
        return job.worked_seconds

    # -- submitting ------------------------------------------------------------------------------------------

    @override
    def create_job(
        self,
        kind: JobKind,  # of images; `submit_synthetic` makes others
        *,
        name: str,
        submitted_by: str,  # the token says it
        submission_key: str | None = None,
        priority: int = 0,
        scale: float = 1.0,
        unfamiliar: Unfamiliar = Unfamiliar.FLAG,
        channel: str = AUTO,
        pixel_size: PixelSize | None = None,
        postprocessing: str = "",
        model: str | None = None,
        threshold: float | None = None,
        bulk_id: str | None = None,  # no command is one
    ) -> str:
        body = {
            "name": name,
            "key": submission_key or str(uuid4()),
            "priority": Priority(priority).word,
            "scale": AUTO_WORD if scale == AUTO_SCALE else scale,
            "unfamiliar": unfamiliar.value,
        }
        # Only what is asked for, so that an admin of before these options takes all other jobs.
        if channel != AUTO:
            body["channel"] = channel
        if pixel_size is not None:
            body["pixel_size"] = pixel_size.exact
        body |= asdict(PostProcessing.parse(postprocessing)) if postprocessing else {}
        body |= _asked(model, threshold)
        return str(self._json("POST", "jobs", json=body)["id"])

    def submit_synthetic(
        self,
        spec: SyntheticSpec,
        *,
        name: str,
        priority: Priority,
        model: str | None = None,
        threshold: float | None = None,
    ) -> str:
        """Make a synthetic job and return its id."""
        asked = {field: getattr(spec, field) for field in spec.__dataclass_fields__} | _asked(model, threshold)
        key = {"Idempotency-Key": str(uuid4())}
        made = self._json("POST", "jobs/synthetic", json=asked | {"name": name, "priority": priority.word}, headers=key)
        return str(made["id"])

    def clone(self, job_id: str, changes: CloneChanges, *, name: str, priority: Priority) -> str:
        """Make a job over the inputs of another and return its id."""
        asked: dict[str, Any] = {"name": name or None, "priority": priority.word, **changes}
        if changes.get("scale") == AUTO_SCALE:
            asked["scale"] = AUTO_WORD
        key = {"Idempotency-Key": str(uuid4())}
        return str(self._json("POST", f"jobs/{job_id}/clone", json=asked, headers=key)["id"])

    def add_listed(self, job_id: str, wanted: Wanted, following: str | None) -> Listing:
        """Add a page of what lies in a bucket, which the admin lists."""
        body = {"address": wanted.address, "recursive": wanted.recursive, "exclude": list(wanted.exclude)}
        told = self._json("POST", f"jobs/{job_id}/objects", json=body | ({"after": following} if following else {}))
        return Listing(following=told.pop("next"), **told)

    @override
    def unsealed_job(self, submission_key: str) -> str | None:
        found: str | None = self._found(submission_key)["unsealed"]
        return found

    @override
    def awaited_job(self, submission_key: str, *, within: float, model: str | None = None) -> str | None:
        found: str | None = self._found(submission_key, within=within, model=model)["awaited"]
        return found

    @override
    def model_for(self, reference: str | None) -> str | None:
        told = self._json("GET", "models")["models"]
        if reference is None:
            return next((str(model["sha256"]) for model in told if model["active"]), None)
        return model_named([registered_model(model) for model in told], reference).sha256

    @override
    def unsealed_jobs(self, *, limit: int) -> list[str]:
        found: list[str] = self._found("-")["others"]
        return found[:limit]

    @override
    def adopt(self, job_id: str, submission_key: str) -> None:
        self._json("POST", f"jobs/{job_id}/submission", json={"key": submission_key})

    @override
    def await_end(self, job_id: str, *, waits: bool) -> None:
        self._json("POST", f"jobs/{job_id}/submission", json={"awaited": waits})

    @override
    def keep_alive(self, job_id: str) -> None:
        self._json("POST", f"jobs/{job_id}/submission", json={})

    @override
    def known_files(self, job_id: str, paths: Collection[str]) -> dict[str, FileVersion | None]:
        remaining = iter(paths)
        known: dict[str, FileVersion | None] = {}
        while some := list(islice(remaining, _PAGE)):
            for path, version in self._json("POST", f"jobs/{job_id}/known", json={"paths": some})["files"].items():
                known[path] = None if version is None else FileVersion(version["size"], version["modified"])
        return known

    @override
    def item_ids(self, job_id: str, paths: Collection[str]) -> set[str]:
        return set()  # the server gives ids of its own; what waits here was never stored

    @override
    def add_shard(self, job_id: str, items: Sequence[NewItem], *, replaces: Collection[str] = ()) -> str:
        failed = [item for item in items if item.error_code is not None]
        told = [{"path": item.path, "code": str(item.error_code), "error": item.error or ""} for item in failed]
        described = {item.path: item.described for item in failed if item.described}
        files = (
            NamedFile(item.path, self._store.take(item.source_key), item.source_modified, item.described)
            for item in items
            if item.source_key is not None
        )
        for batch in batches(files):
            self._send(job_id, batch, replaces=replaces)
        if told:
            self._send(job_id, (), replaces=replaces, failed=told, described=described)
        return ""

    @override
    def seal(self, job_id: str, *, within: Within = lambda connection: None) -> None:  # there is no transaction here
        self._json("POST", f"jobs/{job_id}/seal")

    @override
    def discard_empty(self, job_id: str) -> None:
        if not self.job(job_id).counts.total:
            self._json("DELETE", f"jobs/{job_id}")

    # -- steering --------------------------------------------------------------------------------------------

    @override
    def cancel(self, job_id: str, **_options: Any) -> Job:  # who asks is said by the token
        return job_of(self._json("POST", f"jobs/{job_id}/cancel"))

    @override
    def retry(self, job_id: str, *, codes: Sequence[str] = (), **_options: Any) -> Job:
        query = {"codes": ",".join(codes)} if codes else {}
        return job_of(self._json("POST", f"jobs/{job_id}/retry", params=query))

    # -- asking ----------------------------------------------------------------------------------------------

    def _send(
        self,
        job_id: str,
        files: Sequence[NamedFile],
        *,
        replaces: Collection[str],
        failed: Sequence[Mapping[str, str]] = (),
        described: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        sent = {file.path for file in files} | {each["path"] for each in failed}
        with translated():
            send(
                self._connection,
                job_id,
                files,
                failed=failed,
                replace=sent.intersection(replaces),
                described=described,
            )

    def _summary(self, job_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._json("GET", f"jobs/{job_id}/summary")
        return found

    def _found(self, key: str, *, within: float = 0.0, model: str | None = None) -> Mapping[str, Any]:
        asked = {"key": key, "within": within} | _asked(model)
        found: Mapping[str, Any] = self._json("POST", "submissions/find", json=asked)
        return found

    def _json(self, method: str, path: str, **options: Any) -> Any:
        with translated():
            return self._connection.json(method, path, **options)


def _asked(model: str | None, threshold: float | None = None) -> dict[str, Any]:
    """Only what is asked for, as an admin of before these options wants it."""
    return {name: value for name, value in (("model", model), ("threshold", threshold)) if value is not None}
