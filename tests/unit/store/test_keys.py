import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UsageError
from shared.store import keys
from shared.store.keys import KeyKind, ParsedKey
from shared.store.object_store import checked_key

JOB = "0192f0c4-7a3b-7cde-8f01-23456789abcd"
ITEM = "0192f0c4-7a3b-7cde-8f01-23456789abce"
SHA256 = "0123456789abcdef" * 4

ids = st.uuids().map(str)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(job=ids, item=ids, ext=st.text(string.ascii_letters + string.digits, min_size=1, max_size=8))
def test_an_items_keys_come_back_from_parse(job: str, item: str, ext: str):
    lowered = f".{ext.lower()}"
    assert keys.parse(keys.source(job, item, f".{ext}")) == ParsedKey(KeyKind.SOURCE, job, item, lowered)
    assert keys.parse(keys.source(job, item)) == ParsedKey(KeyKind.SOURCE, job, item, "")
    assert keys.parse(keys.truth(job, item)) == ParsedKey(KeyKind.TRUTH, job, item, ".png")
    assert keys.parse(keys.mask(job, item)) == ParsedKey(KeyKind.MASK, job, item, ".png")
    corrected = keys.correction(job, item, "01890000-0000-7000-8000-00000000000c")
    assert keys.parse(corrected) == ParsedKey(KeyKind.CORRECTION, job, item, ".png")
    assert keys.parse(keys.probability(job, item)) == ParsedKey(KeyKind.PROBABILITY, job, item, ".png")


@given(sha256=digests)
def test_a_models_keys_come_back_from_parse(sha256: str):
    assert keys.parse(keys.model_weights(sha256)) == ParsedKey(KeyKind.MODEL_WEIGHTS, sha256=sha256)
    assert keys.parse(keys.model_metadata(sha256)) == ParsedKey(KeyKind.MODEL_METADATA, sha256=sha256)


@given(ext=st.text())
def test_no_extension_makes_a_key_that_does_not_parse(ext: str):
    key = checked_key(keys.source(JOB, ITEM, ext))
    assert keys.parse(key).item == ITEM


def test_the_keys_are_those_of_the_documentation():
    assert keys.source(JOB, ITEM, ".TIFF") == f"jobs/{JOB}/source/{ITEM}.tiff"
    assert keys.truth(JOB, ITEM) == f"jobs/{JOB}/truth/{ITEM}.png"
    assert keys.mask(uuid.UUID(JOB), uuid.UUID(ITEM)) == f"jobs/{JOB}/mask/{ITEM}.png"
    assert keys.probability(JOB, ITEM) == f"jobs/{JOB}/prob/{ITEM}.png"
    assert keys.model_weights(SHA256) == f"models/{SHA256}/model.safetensors"
    assert keys.model_metadata(SHA256) == f"models/{SHA256}/model.json"
    assert keys.model_familiarity(SHA256) == f"models/{SHA256}/familiarity.safetensors"
    assert keys.mask(JOB, ITEM).startswith(keys.job_prefix(JOB))
    assert keys.parse(keys.HEALTH_CHECK) == ParsedKey(KeyKind.HEALTH_CHECK)


@pytest.mark.parametrize(
    ("ext", "sanitised"),
    [
        (".PNG", ".png"),
        (".jpeg2000", ".jpeg2000"),
        ("", ""),
        ("png", ""),
        (".", ""),
        (".a/../b", ""),
        (".tar.gz", ""),
        (".ninechars", ""),
        (".pn\ng", ""),
        (".png\n", ""),
        (".pñg", ""),
        (".K", ".k"),  # the Kelvin sign's lower case is an ASCII k
    ],
)
def test_an_extension_is_a_dot_and_up_to_eight_letters_or_digits_or_nothing(ext: str, sanitised: str):
    assert keys.sanitised_extension(ext) == sanitised


@pytest.mark.parametrize(
    "bad", ["", "..", "1", JOB.upper(), JOB.replace("-", ""), f"{{{JOB}}}", f"{JOB}\n", f"{JOB}/x"]
)
def test_only_canonical_ids_get_into_a_key(bad: str):
    for build in (lambda: keys.mask(bad, ITEM), lambda: keys.mask(JOB, bad), lambda: keys.job_prefix(bad)):
        with pytest.raises(UsageError, match="not an id"):
            build()


@pytest.mark.parametrize("bad", ["", "abc", SHA256.upper().replace("0", "A"), SHA256 + "0", "../" + SHA256[3:]])
def test_only_a_sha256_names_a_model(bad: str):
    with pytest.raises(UsageError, match="SHA-256"):
        keys.model_weights(bad)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "jobs",
        f"jobs/{JOB}/",
        f"/jobs/{JOB}/mask/{ITEM}.png",
        f"jobs/{JOB}/mask/{ITEM}.PNG",
        f"jobs/{JOB}/mask/{ITEM}",
        f"jobs/{JOB}/mask/{ITEM}.png\n",
        f"jobs/{JOB}/masks/{ITEM}.png",
        f"jobs/{JOB}/source/{ITEM}.",
        f"jobs/{JOB.upper()}/mask/{ITEM}.png",
        f"models/{SHA256}/model.pt",
    ],
)
def test_parse_refuses_what_no_builder_makes(key: str):
    with pytest.raises(UsageError, match="not a key"):
        keys.parse(key)
