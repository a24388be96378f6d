"""The exports that there are: `--format`, `?format=` and the page of a job offer what stands here, and nothing else."""

from collections.abc import Mapping

from shared.errors import UsageError
from shared.flows.exports import corrections, geojson, objects, pictures, report, results, stacks, tables
from shared.flows.exports.export import Export

DEFAULT = results.EXPORT

EXPORTS: Mapping[str, Export] = {
    export.name: export
    for export in (
        DEFAULT,
        *pictures.EXPORTS,
        *objects.EXPORTS,
        *geojson.EXPORTS,
        *stacks.EXPORTS,
        *tables.EXPORTS,
        report.EXPORT,
        corrections.EXPORT,
    )
}  # fmt: skip


def export_named(name: str) -> Export:
    """Return the export of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in EXPORTS:
        raise UsageError(f"there is no export {name!r}: choose one of {', '.join(EXPORTS)}")
    return EXPORTS[name]
