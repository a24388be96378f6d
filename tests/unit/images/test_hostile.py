"""The short form of `python -m tests.fuzz`."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.images.isolated import Decoders
from tests.fuzz.campaign import LIMITS, case, outcome, run
from tests.fuzz.mutations import Kind, Mutation, bases, draw, mutate

SECONDS = 120

mutations = st.builds(
    Mutation,
    kind=st.sampled_from(Kind),
    at=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 2**64 - 1),
)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(LIMITS, seconds=SECONDS, processes=1)
    yield made
    made.close()


@settings(max_examples=200)
@given(st.data(), st.lists(mutations, min_size=1, max_size=8))
def test_mutated_files_end_in_pixels_or_a_code(decoders: Decoders, data: st.DataObject, made: list[Mutation]) -> None:
    name = data.draw(st.sampled_from(sorted(bases())))
    outcome(decoders, mutate(bases()[name], made))


@settings(max_examples=100)
@given(st.data(), st.binary(max_size=200))
def test_anything_behind_a_signature_ends_in_pixels_or_a_code(
    decoders: Decoders, data: st.DataObject, rest: bytes
) -> None:
    name = data.draw(st.sampled_from(sorted(bases())))
    kept = data.draw(st.integers(0, 64))
    outcome(decoders, bases()[name][:kept] + rest)


def test_a_campaign_counts_what_it_does() -> None:
    findings = list(run(3, range(300), processes=1, seconds=SECONDS))[-1]
    assert findings.outcomes.total() == 300
    assert findings.broken == findings.blamed == findings.replaced == {}
    assert {"pixels", "truncated", "too_large", "too_small", "unsupported_format"} <= findings.outcomes.keys()
    assert findings.decoder_mib > 0
    assert findings.parent_mib > 0


def test_a_campaign_can_be_repeated() -> None:
    assert [case(5, index) for index in range(50)] == [case(5, index) for index in range(50)]
    assert case(5, 1) != case(6, 1)


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_of_mutation_changes_files(kind: Kind) -> None:
    rng = random.Random(0)
    changed = set()
    for _ in range(400):
        name, _ = draw(rng)
        base = bases()[name]
        if mutate(base, [Mutation(kind, rng.random(), rng.getrandbits(64))]) != base:
            changed.add(name.split()[0])
    if kind is Kind.PNG_CHECKSUMS:
        assert not changed - {"bad"}  # sound files keep theirs
    else:
        assert len(changed) >= 5
