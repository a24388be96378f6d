import subprocess
import sys

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth import Definition, NoiseParameters, definition_hash, snr_db, synthesise


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
    assert definition_hash() == definition_hash(Definition())
    assert definition_hash(Definition(dot_radius_px=(2.0, 6.5))) != definition_hash()


def test_synthesis_needs_numpy_alone():
    program = "import sys, shared.synth; print(sorted({'torch', 'scipy', 'PIL'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
