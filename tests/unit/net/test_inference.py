"""Every way to run the network is held to the plain network in float32."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from shared.config import DEFAULT_MODEL
from shared.images.normalise import standardise
from shared.net.architectures import build
from shared.net.blocks import BlurPool
from shared.net.checkpoint import load_checkpoint
from shared.net.inference import ByImage, InFloat32, as_graph, fold_batch_norm, for_inference
from shared.net.network import Trunk
from shared.net.predictor import Predictor
from shared.synth import synthesise
from tests.unit.net.conftest import TINY


def with_random_statistics(net: nn.Module) -> nn.Module:
    """As after training: every batch normalisation does something."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 2.0),
            ):  # fmt: skip
                tensor.data.uniform_(low, high, generator=generator)
    return net.eval()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("attention_unet", TINY),
        ("attention_unet", TINY | {"stem": 4, "likelihood": True}),
        ("unet", {"base": 4, "levels": 3, "dropout": 0.1}),
    ],
)
def test_without_batch_norm_the_network_says_the_same(name, arguments):
    torch.manual_seed(0)
    net = with_random_statistics(build(name, arguments))
    before = copy.deepcopy(net.state_dict())
    image = torch.randn(2, 1, 64, 64)
    folded = for_inference(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), net(image), atol=1e-4, rtol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_layer_used_in_two_places_keeps_its_batch_norm():
    shared = nn.Conv2d(4, 4, 1)
    net = nn.Sequential(nn.Sequential(shared, nn.BatchNorm2d(4)), nn.Sequential(shared, nn.BatchNorm2d(4)))
    with_random_statistics(net)
    image = torch.randn(1, 4, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(fold_batch_norm(copy.deepcopy(net))(image), net(image))


class DeclaredBackwards(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(4, 1, 1)
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4))

    def forward(self, image):
        return self.last(self.first(image))


def test_weights_are_cast_once_but_for_the_first_layer_s_that_runs():
    net = for_inference(DeclaredBackwards(), torch.bfloat16)
    assert isinstance(net.first[0], InFloat32)
    assert net.first[0].layer.weight.dtype == torch.float32
    assert net.last.weight.dtype == torch.bfloat16


def test_low_passes_are_cast_once_and_lose_nothing_by_that():
    net = for_inference(build("attention_unet", TINY), torch.bfloat16)
    kernels = [module.kernel for module in net.modules() if isinstance(module, BlurPool)]
    assert kernels
    assert {kernel.dtype for kernel in kernels} == {torch.bfloat16}
    assert all(torch.equal(kernel.float(), BlurPool(len(kernel)).kernel) for kernel in kernels)


class CountedOperators(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        self.names.append(operator.overloadpacket.__name__)
        return operator(*arguments, **(options or {}))


def test_a_pass_takes_few_operators_and_waits_for_none():
    """On a GPU each is launched from Python, and a number that is asked for waits for all before it."""
    net = for_inference(load_checkpoint(DEFAULT_MODEL).net, torch.bfloat16)
    image = torch.randn(2, 1, 64, 64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), CountedOperators() as counted:
        Trunk(net)(net.stem(image))
    assert 100 < len(counted.names) <= 220
    assert not {"_local_scalar_dense", "item", "nonzero", "masked_select"} & set(counted.names)


def test_the_likelihood_is_worked_out_in_float32():
    net = build("attention_unet", TINY | {"stem": 4, "likelihood": True})
    ready = for_inference(net, torch.bfloat16)
    assert isinstance(ready.encoder[0].conv[0], InFloat32)
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ready.stem(image), net.stem(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_graph_says_the_same_of_batches_and_sides_that_it_was_not_made_with(dtype):
    net = for_inference(with_random_statistics(build("attention_unet", TINY | {"stem": 4, "likelihood": True})), dtype)
    stem = ByImage(as_graph(net.stem, torch.float32, channels=1))
    trunk = as_graph(Trunk(net), dtype, net.stem_channels)
    images = torch.randn(3, 1, 192, 64)
    images[1, :, :20] = 0  # padding
    with torch.inference_mode():
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            folded = net.stem(images)
            expected = Trunk(net)(folded)
        torch.testing.assert_close(stem(images), folded)
        torch.testing.assert_close(trunk(folded), expected, atol=1e-2, rtol=0)


@pytest.fixture(scope="module")
def tiles():
    images = [synthesise(seed, severity=severity).image for seed, severity in ((1, 0.0), (2, 0.3), (3, 0.6))]
    return np.stack([standardise(image.astype(np.float32)) for image in images])


@pytest.fixture(scope="module")
def reference(tiles):
    """Probabilities of the shipped weights, by the network as it was trained, in float32."""
    with torch.inference_mode():
        logits = load_checkpoint(DEFAULT_MODEL).net(torch.from_numpy(tiles)[:, None])
        return torch.sigmoid(logits[:, 0]).numpy()


@pytest.mark.parametrize(("precision", "within"), [("fp32", 1), ("bf16", 3)])
def test_every_precision_agrees_with_the_reference(tiles, reference, precision, within):
    predictor = Predictor.load(DEFAULT_MODEL, "cpu", precision)
    levels = predictor.predict_tiles(tiles)
    assert levels.dtype == np.uint8
    assert np.abs(levels / 255 - reference).max() <= (within + 0.5) / 255  # and half a level for the rounding to levels
    threshold = predictor.threshold
    assert ((levels / 255 >= threshold) == (reference >= threshold)).mean() >= 0.999


def test_the_answer_to_one_batch_is_not_overwritten_by_the_next(tiles):
    predictor = Predictor.load(DEFAULT_MODEL, "cpu", "fp32")
    alone = predictor.predict_tiles(tiles[:1])
    kept = alone.copy()
    predictor.predict_tiles(tiles[1:])
    np.testing.assert_array_equal(alone, kept)
