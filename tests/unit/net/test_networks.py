import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.errors import CheckpointError
from shared.net.architectures import build, count_parameters
from shared.net.blocks import CBAM, AttentionGate, BlurPool

TINY = {"base": 4, "levels": 3}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("attention_unet", TINY),
        ("attention_unet", TINY | {"stem": 2}),
        ("attention_unet", TINY | {"stem": 4, "dropout": 0.0}),
        ("attention_unet", TINY | {"likelihood": True}),
        ("attention_unet", TINY | {"in_channels": 3}),
        ("unet", TINY),
    ],
)
class TestEveryNetwork:
    @pytest.fixture
    def net(self, name, arguments):
        torch.manual_seed(0)
        return build(name, arguments)

    @pytest.fixture
    def image(self, arguments):
        return torch.randn(2, arguments.get("in_channels", 1), 64, 96)

    def test_gives_one_logit_a_pixel(self, net, image):
        assert net(image).shape == (2, 1, 64, 96)

    def test_every_parameter_learns(self, net, image):
        net(image).square().mean().backward()
        for name, parameter in net.named_parameters():
            if not parameter.requires_grad:
                assert "likelihood" in name  # fitted apart
                continue
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name

    def test_inference_is_repeatable_and_free_of_its_batch(self, net, image):
        net.eval()
        with torch.inference_mode():
            together, alone = net(image), net(image[:1])
        torch.testing.assert_close(together[:1], alone)
        torch.testing.assert_close(net(image), together)

    def test_an_image_that_does_not_fit_is_told_what_to_pad_to(self, net):
        unfit = torch.zeros(1, 1, net.multiple + 1, net.multiple)
        with pytest.raises(ValueError, match=f"pad it to {2 * net.multiple}×{net.multiple}"):
            net(unfit)

    def test_the_smallest_image_passes_in_inference(self, net, arguments):
        side = net.multiple
        image = torch.zeros(1, arguments.get("in_channels", 1), side, side)
        assert net.eval()(image).shape == (1, 1, side, side)


def test_the_reference_network_has_31_5_million_parameters_and_393_6_gflop():
    with torch.device("meta"):
        net = build("attention_unet", {})
        assert count_parameters(net) == 31_474_481
        with FlopCounterMode(display=False) as counter:
            net.eval()(torch.empty(1, 1, 512, 512))
    assert counter.get_total_flops() / 1e9 == pytest.approx(393.6, abs=0.1)


def test_the_compact_variant_has_2_million_parameters_and_1_6_gflop():
    with torch.device("meta"):
        net = build("attention_unet", {"base": 16, "stem": 4})
        assert count_parameters(net) == 1_972_968
        with FlopCounterMode(display=False) as counter:
            net.eval()(torch.empty(1, 1, 512, 512))
    assert counter.get_total_flops() / 1e9 == pytest.approx(1.6, abs=0.05)


def test_the_reference_network_has_every_part_it_is_described_with():
    with torch.device("meta"):
        net = build("attention_unet", {})
    kinds = [type(module).__name__ for module in net.modules()]
    assert kinds.count("CBAM") == kinds.count("BlurPool") == 4
    assert kinds.count("AttentionGate") == kinds.count("ConvTranspose2d") == 4
    assert kinds.count("DoubleConv") == 9
    assert {module.p for module in net.modules() if isinstance(module, torch.nn.Dropout2d)} == {0.1}


def test_blur_pool_halves_and_keeps_a_constant():
    pooled = BlurPool(3)(torch.full((1, 3, 8, 12), 2.0))
    assert pooled.shape == (1, 3, 4, 6)
    torch.testing.assert_close(pooled[..., 1:, 1:], torch.full((1, 3, 3, 5), 2.0))


def test_blur_pool_does_not_alias_the_finest_stripes():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert BlurPool(1)(stripes)[..., 1:, 1:].abs().max() == 0


def test_attention_only_scales_down():
    features = torch.rand(1, 8, 16, 16)
    for scaled in (CBAM(8)(features), AttentionGate(8).eval()(features, torch.randn(1, 8, 16, 16))):
        assert scaled.shape == features.shape
        assert (scaled >= 0).all()
        assert (scaled <= features).all()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transformer", {}),
        ("unet", {"stem": 3}),
        ("attention_unet", {"stem": 3}),
        ("attention_unet", {"in_channels": 3, "likelihood": True}),
        ("unet", {"base": "wide"}),
    ],
)
def test_what_cannot_be_built_is_refused(name, arguments):
    with pytest.raises(CheckpointError):
        build(name, arguments)


def test_attention_that_knows_padding_does_not_see_it():
    torch.manual_seed(0)
    attention = CBAM(8).eval()
    image, known = torch.rand(1, 8, 16, 16), torch.zeros(1, 1, 32, 32)
    known[..., 8:24, 8:24] = 1
    padded = 9 * torch.rand(1, 8, 32, 32)
    padded[..., 8:24, 8:24] = image
    inner = slice(3, -3)  # beyond the reach of the spatial gate's border
    alone, inside = attention(image), attention(padded, known)[..., 8:24, 8:24]
    torch.testing.assert_close(inside[..., inner, inner], alone[..., inner, inner])
    assert not torch.allclose(attention(padded)[..., 8:24, 8:24][..., inner, inner], alone[..., inner, inner])


@pytest.mark.parametrize("channels", [1, 3])
def test_padding_that_is_known_changes_no_weight_and_where_there_is_none_nothing(channels):
    arguments = TINY | {"in_channels": channels}
    knowing, other = (build("attention_unet", arguments | more).eval() for more in ({"knows_padding": True}, {}))
    knowing.load_state_dict(other.state_dict())
    image = torch.randn(2, channels, 64, 64)
    with torch.inference_mode():
        expected = other(image)
        torch.testing.assert_close(knowing(image), expected)
        torch.testing.assert_close(knowing(torch.cat([image, torch.ones(2, 1, 64, 64)], 1)), expected)
        torch.testing.assert_close(knowing(image[:, :1]), other(image[:, :1]))
