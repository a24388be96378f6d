"""A new export: a module of its own and its line in the registry, and it is wherever results leave."""

from pathlib import Path

from shared.flows.exports.registry import EXPORTS
from tests.unit.extending.conftest import House

# Each mask's share of foreground in a text file of its own, and a list of all of them.
SHARES = '''
"""The export `shares`: for trial."""

from collections.abc import Iterator

from shared.flows.exports.export import Export, ExportFile, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults


def _share(png: bytes) -> bytes:
    from shared.images.codec import decode_mask

    return b"%.2f" % decode_mask(png).mean()


def _files(results: JobResults) -> Iterator[ExportFile]:
    for item, name in results.succeeded():
        yield StoredFile(f"shares/{name}.txt", item.mask_key or "", item.finished_at or 0.0, _share)
    yield WrittenFile("list.txt", lambda: _lines(results))


def _lines(results: JobResults) -> Iterator[bytes]:
    for item in results.items():
        yield f"{item.path} {item.state} {results.store.exists(item.mask_key or '')}".encode()


EXPORT = Export("shares", "Shares of foreground", "shares/ and list.txt", _files, lambda job: job.counts.succeeded + 1)
'''


def test_an_export_arrives_wherever_results_leave(house_copy: House, tmp_path: Path) -> None:
    house_copy.write("shared/flows/exports/shares.py", SHARES)
    house_copy.insert("shared/flows/exports/registry.py", "        shares.EXPORT,\n", after="DEFAULT,")
    house_copy.insert(
        "shared/flows/exports/registry.py", "from shared.flows.exports import shares\n", after="from shared.errors"
    )
    assert house_copy.touched() == {"shared/flows/exports/shares.py", "shared/flows/exports/registry.py"}

    home = tmp_path / "home"
    home.mkdir()
    shown = house_copy.run(Path(__file__).with_name("show_exports.py"), str(home), "shares")
    for said in shown["help"].values():
        assert "results|shares|" in said
        assert "shares: shares/ and list.txt" in said
    files = {"shares/a.png.txt": "0.50", "list.txt": "a.jpg succeeded True"}
    assert shown["folder"] == shown["zip"] == files
    assert shown["file_name"].endswith("-shares.zip")
    assert shown["parameter"]["schema"]["enum"] == [*list(EXPORTS)[:1], "shares", *list(EXPORTS)[1:]]
    assert "`shares`: shares/ and list.txt." in shown["parameter"]["schema"]["description"]
    for name, label in (("results", "Masks, probability maps and table"), ("shares", "Shares of foreground")):
        assert f'<option value="{name}">{label}</option>' in shown["page"]
    assert f'action="/jobs/{shown["job"]}/results.zip"' in shown["page"]
