import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.errors import CheckpointError
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, load_checkpoint, read_metadata, save_checkpoint
from shared.net.migrations import FORMAT_VERSION, migrate_description, migrate_tensors
from shared.net.weights_file import file_sha256
from tests.unit.net.conftest import TINY


def age_to_version_0(checkpoint):
    """Rewrite a checkpoint the way version 0 wrote it."""
    weights, description = checkpoint / "model.safetensors", checkpoint / "model.json"
    tensors = load_file(weights)
    old = {re.sub(r"^decoder\.(\d+)\.gate\.", r"attention_gates.\1.", name): t for name, t in tensors.items()}
    assert old.keys() != tensors.keys()
    save_file(old, weights)
    data = json.loads(description.read_text()) | {"format_version": 0, "weights_sha256": file_sha256(weights)}
    del data["parameters"], data["versions"]
    description.write_text(json.dumps(data))


def test_a_file_of_version_0_whose_gates_are_called_attention_gates_gives_the_same_network(checkpoint):
    image = torch.randn(1, 1, 64, 64)
    before = load_checkpoint(checkpoint).net(image)
    age_to_version_0(checkpoint)
    loaded = load_checkpoint(checkpoint)
    torch.testing.assert_close(loaded.net(image), before, rtol=0, atol=0)
    assert loaded.metadata.format_version == FORMAT_VERSION
    assert read_metadata(checkpoint / "model.json") == loaded.metadata


def test_saved_again_it_is_of_the_present_version(checkpoint, tmp_path):
    age_to_version_0(checkpoint)
    old = load_checkpoint(checkpoint)
    save_checkpoint(tmp_path / "new", old.net, old.metadata)
    assert json.loads((tmp_path / "new" / "model.json").read_text())["format_version"] == FORMAT_VERSION
    assert any(name.startswith("decoder.0.gate.") for name in load_file(tmp_path / "new" / "model.safetensors"))


def test_a_file_of_version_1_whose_stem_is_called_pixels_gives_the_same_network(tmp_path):
    torch.manual_seed(0)
    arguments = TINY | {"likelihood": True}
    save_checkpoint(tmp_path, build("attention_unet", arguments), Metadata("attention_unet", arguments))
    image = torch.randn(1, 1, 64, 64)
    before = load_checkpoint(tmp_path).net(image)
    weights, description = tmp_path / "model.safetensors", tmp_path / "model.json"
    tensors = load_file(weights)
    old = {re.sub(r"^stem\.", "pixels.", name): tensor for name, tensor in tensors.items()}
    assert old.keys() != tensors.keys()
    save_file(old, weights)
    aged = json.loads(description.read_text()) | {"format_version": 1, "weights_sha256": file_sha256(weights)}
    description.write_text(json.dumps(aged))
    torch.testing.assert_close(load_checkpoint(tmp_path).net(image), before, rtol=0, atol=0)


def test_a_u_net_of_version_0_has_no_gates_to_rename(tmp_path):
    arguments = {"base": 4, "levels": 2}
    save_checkpoint(tmp_path, build("unet", arguments), Metadata("unet", arguments))
    data = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(data | {"format_version": 0}))
    assert load_checkpoint(tmp_path).metadata.architecture == "unet"


def test_what_is_of_the_present_version_stays_as_it_is():
    description = {"format_version": FORMAT_VERSION, "architecture": "attention_unet"}
    assert migrate_description(description) == description
    tensors = {"attention_gates.0.x": torch.zeros(1)}
    assert migrate_tensors(tensors, description) == tensors


@pytest.mark.parametrize("version", [-1, FORMAT_VERSION + 1, None, "0", True])
def test_a_version_that_nobody_knows_is_refused(version):
    for migrate in (migrate_description, lambda description: migrate_tensors({}, description)):
        with pytest.raises(CheckpointError, match="is unknown"):
            migrate({"format_version": version})
