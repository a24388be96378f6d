import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth import DEFINITIONS, NoiseParameters, definition_hash, find_definition, snr_db, synthesise

# Of the seeds 0 to 7 at 256 px and severity 0.8: sum of the image, pixels of the mask, kind of noise.
SAMPLES = [
    (5733253, 7539, "salt_pepper"),
    (6135944, 9802, "mixed"),
    (3902689, 14633, "poisson"),
    (3159809, 16984, "mixed"),
    (2518288, 20084, "gaussian"),
    (4096203, 22878, "salt_pepper"),
    (5090784, 5621, "mixed"),
    (2619800, 20315, "salt_pepper"),
]


def test_the_same_arguments_give_the_same_sample():
    first = synthesise(11, severity=0.7, num_dots=30)
    again = synthesise(11, severity=0.7, num_dots=30)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.scene, first.noise) == (again.scene, again.noise)


def test_another_seed_gives_another_scene():
    assert synthesise(1).scene != synthesise(2).scene


def test_one_seed_shows_one_scene_under_every_noise():
    clean = synthesise(5, noise="none")
    for noise in ("poisson", "mixed", NoiseParameters.single("gaussian", 1.8)):
        sample = synthesise(5, severity=1.0, noise=noise)
        assert sample.scene == clean.scene
        np.testing.assert_array_equal(sample.clean, clean.clean)
        assert (sample.image != clean.image).any()


def test_shapes_types_and_ranges():
    sample = synthesise(0, size=256)
    assert sample.image.shape == sample.clean.shape == sample.mask.shape == (256, 256)
    assert sample.image.dtype == np.uint8
    assert sample.clean.dtype == np.float32
    assert sample.mask.dtype == np.bool_
    assert sample.clean.min() >= 0.05
    assert sample.clean.max() <= 1.0


def test_the_signal_to_noise_ratio_is_the_benchmark_s():
    clean = [snr_db(s.clean, s.image) for s in (synthesise(i, noise="none") for i in range(40))]
    val = [snr_db(s.clean, s.image) for s in (synthesise(i, severity=1.0) for i in range(100))]
    assert 51 <= np.median(clean) <= 58
    assert 3 <= np.median(val) <= 8
    assert min(val) > -3
    assert max(val) < 40


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="seed"):
        synthesise(-1)


def test_the_definition_s_hash_tells_any_change():
    dotblob = find_definition("dotblob-v1")
    assert definition_hash(dotblob) == "a42aaea710bde13a83c8164976751715e5a361c5780bec489c3748cd5640a889"
    changes = [{"dot_radius_px": (2.0, 6.5)}, {"name": "dotblob-v2"}, {"kinds": dotblob.kinds[1:]}]
    changes.append({"kinds": (replace(dotblob.kinds[0], range=(0.02, 1.3)), *dotblob.kinds[1:])})
    hashes = {definition_hash(replace(dotblob, **change)) for change in changes}
    assert len(hashes - {definition_hash(dotblob)}) == len(changes)


def test_the_samples_of_dotblob_v1_stay_what_they_are():
    found = [synthesise(seed, size=256, severity=0.8) for seed in range(8)]
    assert [(s.image.sum(dtype=np.int64), s.mask.sum(), s.noise.kind) for s in found] == SAMPLES


def test_a_definition_is_found_by_name_or_given():
    dotblob = find_definition("dotblob-v1")
    unnamed = synthesise(3).image
    np.testing.assert_array_equal(synthesise(3, definition="dotblob-v1").image, unnamed)
    np.testing.assert_array_equal(synthesise(3, definition=dotblob).image, unnamed)
    small = synthesise(3, definition=replace(dotblob, name="small", canvas_px=96, dots=(7, 7)))
    assert small.image.shape == (96, 96)
    assert len(small.scene.dot_centres) == 7


def test_an_unknown_definition_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=", ".join(DEFINITIONS)):
        synthesise(1, definition="dotblob-v0")


def test_synthesis_needs_numpy_alone():
    program = "import sys, shared.synth; print(sorted({'torch', 'scipy', 'PIL'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
