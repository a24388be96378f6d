import copy

import pytest
import torch
from torch import nn

from shared.net.architectures import build, in_channels_last
from training.config import OptimiserConfig
from training.recipe.optimisers import Optimisers

COMPACT = {"base": 8, "levels": 3, "stem": 4, "dropout": 0.0}
MUON = OptimiserConfig(kind="muon", lr=1e-3, muon_lr=1e-2, weight_decay=0.0)


@pytest.fixture(params=["channels_last", "contiguous"])
def net(request):
    torch.manual_seed(0)
    net = build("attention_unet", COMPACT)
    return in_channels_last(net) if request.param == "channels_last" else net


def step(net, optimisers):
    optimisers.zero_grad()
    net(torch.randn(2, 1, 64, 64)).square().mean().backward()
    optimisers.set_rates(1.0)
    for optimiser in optimisers.each:
        optimiser.step()


def test_every_parameter_has_one_optimiser_and_muon_takes_the_hidden_kernels(net):
    adamw, muon = Optimisers(net, MUON).each
    pointers = [p.data_ptr() for group in (*adamw.param_groups, *muon.param_groups) for p in group["params"]]
    assert sorted(pointers) == sorted(p.data_ptr() for p in net.parameters())
    taken = {p.data_ptr() for group in muon.param_groups for p in group["params"]}
    names = {name for name, p in net.named_parameters() if p.data_ptr() in taken}
    assert {"encoder.0.conv.0.weight", "bottleneck.3.weight", "decoder.0.up.weight"} <= names
    # Few channels, a gate of one channel, the head, normalisation: none of Muon's.
    assert not names & {"decoder.1.gate.psi.0.weight", "encoder.0.attention.spatial.weight", "head.weight"}
    assert all(dict(net.named_parameters())[name].ndim == 4 for name in names)


def test_a_step_of_muon_is_orthogonal_in_the_kernel_itself(net):
    optimisers = Optimisers(net, MUON)
    kernel = net.bottleneck[3].weight  # 32 × 32 × 3 × 3
    before = kernel.detach().clone()
    step(net, optimisers)
    singular = torch.linalg.svdvals((kernel.detach() - before).flatten(1) / (MUON.muon_lr * 0.2 * 288**0.5))
    # Newton–Schulz brings the singular values near 1, wherever they came from.
    assert singular.max() < 1.4
    assert singular.median() > 0.6
    gradients = torch.linalg.svdvals(kernel.grad.flatten(1))
    assert gradients.median() < 0.5 * gradients.max(), "the gradient was no such matrix"


def test_each_optimiser_follows_the_schedule_from_its_own_rate(net):
    optimisers = Optimisers(net, MUON)
    optimisers.set_rates(0.5)
    assert [group["lr"] for o in optimisers.each for group in o.param_groups] == [0.5e-3, 0.5e-2]


def test_what_the_optimisers_remember_can_be_given_to_others(net):
    optimisers = Optimisers(net, MUON)
    step(net, optimisers)
    twin = copy.deepcopy(net)
    others = Optimisers(twin, MUON)
    others.load_state_dict(copy.deepcopy(optimisers.state_dict()))
    for module, remembering in ((net, optimisers), (twin, others)):
        torch.manual_seed(1)
        step(module, remembering)
    for one, two in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_adamw_alone_is_torch_s_adamw():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 3), nn.Linear(3, 3)
    theirs.load_state_dict(ours.state_dict())
    config = OptimiserConfig(lr=1e-2, weight_decay=0.1)
    optimisers = Optimisers(ours, config)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1)
    for seed in range(3):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
        optimisers.zero_grad()
        ours(x).square().sum().backward()
        optimisers.set_rates(1.0)
        optimisers.each[0].step()
        reference.zero_grad()
        theirs(x).square().sum().backward()
        reference.step()
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("of_muon", [True, False])
def test_a_gradient_that_overflowed_lets_no_optimiser_step(net, value, of_muon):
    optimisers = Optimisers(net, MUON)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimisers.set_rates(1.0)
    optimisers.zero_grad()
    scaler.scale(net(torch.randn(2, 1, 64, 64)).square().mean()).backward()
    (net.bottleneck[3].weight if of_muon else net.head.weight).grad[0, 0, 0, 0] = value
    before = copy.deepcopy(net.state_dict())
    optimisers.step(scaler, clip_norm=1.0)
    for name, tensor in net.named_parameters():
        assert torch.equal(tensor, before[name]), name
    assert scaler.get_scale() == 512.0
    # The next one is as if nothing had been.
    optimisers.zero_grad()
    scaler.scale(net(torch.randn(2, 1, 64, 64)).square().mean()).backward()
    optimisers.step(scaler, clip_norm=1.0)
    assert not torch.equal(net.head.weight, before["head.weight"])
    assert not torch.equal(net.bottleneck[3].weight, before["bottleneck.3.weight"])
    assert all(tensor.isfinite().all() for tensor in net.state_dict().values())


def test_one_kernel_for_all_parameters_steps_as_many_do():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(30, 30), nn.Linear(30, 30)
    theirs.load_state_dict(ours.state_dict())
    pair = [(ours, True), (theirs, False)]
    steppers = [torch.optim.AdamW(each.parameters(), lr=1e-2, weight_decay=0.1, fused=fused) for each, fused in pair]
    for seed in range(20):
        x = torch.randn(4, 30, generator=torch.Generator().manual_seed(seed))
        for (net, _), optimiser in zip(pair, steppers, strict=True):
            optimiser.zero_grad()
            net(x).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
