import numpy as np
import torch

from shared.images.preparation import prepare
from shared.synth import synthesise
from training.data.preparation import prepare_batch


def scenes(size):
    rows, columns = np.mgrid[:size, :size] / size
    grounds = [0 * rows, 0.2 * columns, 0.4 * rows, 0.3 * np.exp(-((rows - 0.4) ** 2 + columns**2) / 0.03)]
    grounds.append(0.1 * np.sin(15 * rows) * np.sin(12 * columns))
    images = []
    for seed, ground in enumerate(grounds):
        clean = synthesise(seed, size=size, noise="none").clean
        images.append(clean + ground + np.random.default_rng(seed).normal(0, 0.03, clean.shape))
    images += [synthesise(seed, size=size, severity=1.0).image / 255.0 for seed in range(3)]
    images += [np.zeros((size, size)), synthesise(7, size=size, num_dots=300, noise="none").clean, grounds[3]]
    return (255 * np.stack(images)).astype(np.float32)


def test_a_batch_becomes_what_its_images_become_one_by_one():
    for size in (64, 250, 512):
        images = scenes(size)
        singly = [prepare(image) for image in images]
        together = prepare_batch(torch.from_numpy(images)).numpy()
        assert together.dtype == np.float32
        for single, one in zip(singly, together, strict=True):
            np.testing.assert_allclose(one, single.image, atol=1e-3)
    assert [each.flattened for each in singly[:5]] == [False, True, True, True, True]


def test_the_images_of_a_batch_are_left_alone():
    images = torch.from_numpy(scenes(200))
    before = images.clone()
    prepare_batch(images)
    assert torch.equal(images, before)
