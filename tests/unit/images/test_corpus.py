"""The corpus keeps its word: its good files decode to the sizes told, its bad ones fail with the code told."""

import os
from collections import Counter
from pathlib import Path

import pytest

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import DecodeLimits, decode
from shared.images.formats import IMAGE_EXTENSIONS
from tests.corpus import CorpusManifest, build_mixed_corpus
from tests.corpus.encodings import ENCODINGS
from tests.corpus.examples import EXAMPLES

LIMITS = DecodeLimits(min_side=16, max_side=4096)
FOUND_WHILE_SUBMITTING = {
    ItemErrorCode.UNREADABLE,
    ItemErrorCode.SYMLINK_OUTSIDE,
    ItemErrorCode.NOT_A_FILE,
    ItemErrorCode.BAD_NAME,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CorpusManifest]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, build_mixed_corpus(folder, count=130, seed=1)


def test_the_manifest_lists_each_file_once(corpus):
    folder, manifest = corpus
    found = {str((Path(root) / name).relative_to(folder)) for root, _, names in os.walk(folder) for name in names}
    assert len(found) == 130
    assert found == manifest.good.keys() | manifest.bad.keys()
    assert not manifest.good.keys() & manifest.bad.keys()


def test_good_files_decode_to_the_sizes_told(corpus):
    folder, manifest = corpus
    formats = Counter()
    for name, size in manifest.good.items():
        image = decode((folder / name).read_bytes(), limits=LIMITS)
        assert (image.width, image.height) == size
        formats[image.format, image.mode, image.bit_depth] += 1
    assert formats.keys() >= {(e.format, e.mode, e.bit_depth) for e in ENCODINGS.values()}


def test_bad_files_fail_with_the_code_told(corpus):
    folder, manifest = corpus
    for name, code in manifest.bad.items():
        if code in FOUND_WHILE_SUBMITTING:
            continue
        with pytest.raises(ImageError) as caught:
            decode((folder / name).read_bytes(), limits=LIMITS)
        assert (name, caught.value.code) == (name, code)
    assert set(manifest.bad.values()) >= FOUND_WHILE_SUBMITTING - {ItemErrorCode.BAD_NAME}


def test_every_file_is_one_that_a_folder_submit_picks_up(corpus):
    _, manifest = corpus
    for name in manifest.good.keys() | manifest.bad.keys():
        assert Path(name).suffix.lower() in IMAGE_EXTENSIONS


def test_names_hold_the_awkward_cases(corpus):
    _, manifest = corpus
    names = "".join(manifest.good)
    assert all(character in names for character in "\n\t\r '\"\\🔬显")
    assert {"together/a.jpg", "together/a.tif", "together/a.jpg.png"} <= manifest.good.keys()
    assert Counter(Path(name).name for name in manifest.good)["well.png"] >= 2
    assert (4096, 4096) in manifest.good.values()
    assert (16, 16) in manifest.good.values()


def test_one_seed_gives_one_corpus(corpus, tmp_path):
    folder, manifest = corpus
    assert build_mixed_corpus(tmp_path, count=130, seed=1) == manifest
    for name in manifest.good:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_corpus_too_small_for_one_of_each_says_so(tmp_path):
    with pytest.raises(ValueError, match="too few"):
        build_mixed_corpus(tmp_path, count=20)


def test_the_committed_examples_are_those_of_the_table():
    folder = Path(__file__).parents[3] / "examples" / "images"
    paths = [path for path in folder.iterdir() if path.is_file()]
    assert {path.name for path in paths} == EXAMPLES.keys()
    assert sum(path.stat().st_size for path in paths) < 2.5e6
    for path in paths:
        image = decode(path.read_bytes(), limits=LIMITS)
        example = EXAMPLES[path.name]
        assert (image.width, image.height) == (example.width, example.height)
