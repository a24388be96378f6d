import numpy as np
import pytest
import torch

from shared.errors import CheckpointError, ConfigurationError, DeviceOutOfMemory
from shared.images.normalise import standardise
from shared.net.backends.contract import DeviceMemory
from shared.net.backends.registry import open_backend
from shared.net.checkpoint import load_checkpoint
from shared.net.device import resolve_device, resolve_precision
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE, cut, plan_tiles, stitch
from shared.synth import synthesise


@pytest.fixture
def predictor(checkpoint):
    return Predictor.load(checkpoint, device="cpu", precision="fp32")


@pytest.fixture
def image():
    return synthesise(1, severity=0.3).image.astype(np.float32)


def test_a_tile_sized_image_gives_the_same_as_its_tile(predictor, image):
    (levels,) = predictor.predict_tiles(standardise(image)[None])
    probability = predictor.predict_image(image)
    assert levels.shape == probability.shape == (512, 512)
    assert levels.dtype == np.uint8
    assert probability.dtype == np.float32
    assert np.abs(probability - levels / 255).max() <= 0.5 / 255 + 1e-6


def test_a_large_image_gives_what_its_tiles_blend_to(predictor, image):
    wide = np.hstack([image, image[:, :200]])
    plan = plan_tiles(*wide.shape)
    levels = predictor.predict_tiles(cut(standardise(wide), plan))
    probability = predictor.predict_image(wide)
    assert probability.shape == (512, 712)
    assert np.abs(probability - stitch(levels, plan) / 255).max() <= 0.5 / 255 + 1e-5


@pytest.mark.parametrize("shape", [(16, 16), (30, 600)])
def test_every_size_gets_a_probability_map_of_its_own_size(predictor, shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    probability = predictor.predict_image(image)
    assert probability.shape == shape
    assert probability.min() >= 0
    assert probability.max() <= 1


def test_gain_and_offset_do_not_matter(predictor, image):
    np.testing.assert_allclose(predictor.predict_image(image * 257 + 1000), predictor.predict_image(image), atol=1e-3)


def test_a_batch_gives_what_its_images_give_alone(predictor):
    tiles = np.stack([standardise(synthesise(seed).image.astype(np.float32)) for seed in range(3)])
    together = predictor.predict_tiles(tiles).astype(int)
    alone = np.concatenate([predictor.predict_tiles(tile[None]) for tile in tiles]).astype(int)
    assert np.abs(together - alone).max() <= 1


def test_bfloat16_agrees_with_float32(checkpoint, predictor, image):
    half = Predictor.load(checkpoint, device="cpu", precision="bf16")
    assert (half.precision, predictor.precision) == ("bfloat16", "float32")
    tile = standardise(image)[None]
    difference = half.predict_tiles(tile).astype(int) - predictor.predict_tiles(tile)
    assert np.abs(difference).mean() < 2


def test_it_says_what_it_is(predictor):
    assert predictor.device_name == "cpu"
    assert len(predictor.sha256) == 64
    assert predictor.threshold == 0.5
    assert predictor.metadata.architecture == "attention_unet"
    predictor.warm_up(batch_size=1)


def test_the_memory_of_a_gpu_is_asked_of_torch(predictor, monkeypatch):
    assert predictor.device_memory() is None  # a CPU has none of its own
    gpu = torch.device("cuda:1")
    monkeypatch.setattr(predictor._backend, "_device", gpu)
    for name, answer in (("mem_get_info", (3, 5)), ("memory_allocated", 1), ("memory_reserved", 2)):
        monkeypatch.setattr(torch.cuda, name, lambda device, answer=answer: answer if device == gpu else None)
    assert predictor.device_memory() == DeviceMemory(allocated=1, reserved=2, free=3, total=5)


def test_an_unusable_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        Predictor.load(tmp_path)


def test_memory_that_runs_out_asks_for_a_smaller_batch(predictor, monkeypatch):
    def too_large(_batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(predictor._backend, "_trunk", too_large)
    with pytest.raises(DeviceOutOfMemory, match="batch of 2 tiles"):
        predictor.predict_tiles(np.zeros((2, TILE_SIZE, TILE_SIZE), np.float32))


def test_a_model_that_does_not_fit_on_its_device_asks_for_memory(checkpoint, monkeypatch):
    def too_large(_net, _device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = load_checkpoint(checkpoint)
    monkeypatch.setattr(torch.nn.Module, "to", too_large)
    with pytest.raises(DeviceOutOfMemory, match="the model does not fit"):
        open_backend("torch", model, device="cpu", precision="fp32")


def test_a_backend_that_nobody_registered_is_refused(checkpoint):
    with pytest.raises(ConfigurationError, match="there is no backend 'abacus': use torch"):
        Predictor.load(checkpoint, backend="abacus")


class TestDevice:
    def test_a_gpu_asked_for_and_absent_is_an_error(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        for name in ("cuda", "cuda:1"):
            with pytest.raises(ConfigurationError, match="no CUDA GPU"):
                resolve_device(name)
        assert resolve_device("auto").type == "cpu"

    def test_a_gpu_is_taken_where_there_is_one_but_only_those_there(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        assert resolve_device("auto").type == "cuda"
        assert resolve_device("cuda:1").index == 1
        assert resolve_device("cpu").type == "cpu"
        with pytest.raises(ConfigurationError, match="only 2 GPUs"):
            resolve_device("cuda:2")

    @pytest.mark.parametrize("name", ["tpu", "mps", "", "cuda:x"])
    def test_an_unknown_device_is_refused(self, name):
        with pytest.raises(ConfigurationError):
            resolve_device(name)

    @pytest.mark.parametrize("name", ["fp8", "fp16", ""])
    def test_a_precision_that_a_cpu_has_not_is_refused(self, name):
        with pytest.raises(ConfigurationError):
            resolve_precision(name, torch.device("cpu"))

    def test_the_automatic_precision_is_the_hardware_s(self, monkeypatch):
        cpu = torch.device("cpu")
        for has_it, expected in ((True, torch.bfloat16), (False, torch.float32)):
            monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_it=has_it: has_it)
            assert resolve_precision("auto", cpu) == expected
