import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from shared.errors import CheckpointError
from shared.net.architectures import build
from shared.net.checkpoint import (
    FAMILIARITY_NAME,
    Metadata,
    load_checkpoint,
    names_scores,
    read_metadata,
    remove_scores,
    save_checkpoint,
    save_scores,
)
from shared.net.weights_file import file_sha256
from tests.unit.net.conftest import TINY
from tests.unit.net.fitted import SCORES


def edit(checkpoint, **changes):
    """Change keys of model.json; None removes one."""
    path = checkpoint / "model.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def replace_weights(checkpoint, content):
    (checkpoint / "model.safetensors").write_bytes(content)


def refusal(path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    reason = str(caught.value)
    assert "\n" not in reason
    return reason


class TestRoundTrip:
    def test_the_folder_and_the_file_load_alike(self, checkpoint):
        from_folder = load_checkpoint(checkpoint)
        from_file = load_checkpoint(checkpoint / "model.safetensors")
        image = torch.randn(1, 1, 64, 64)
        torch.testing.assert_close(from_folder.net(image), from_file.net(image), rtol=0, atol=0)
        assert from_folder.sha256 == from_file.sha256 == from_folder.metadata.weights_sha256

    def test_weights_come_back_exactly_ready_for_inference(self, tmp_path):
        net = build("attention_unet", TINY)
        save_checkpoint(tmp_path, net, Metadata("attention_unet", dict(TINY)))
        loaded = load_checkpoint(tmp_path)
        for name, tensor in net.state_dict().items():
            torch.testing.assert_close(loaded.net.state_dict()[name], tensor, rtol=0, atol=0)
        assert not loaded.net.training
        assert not any(parameter.requires_grad for parameter in loaded.net.parameters())

    def test_half_precision_halves_the_file_but_not_the_statistics(self, checkpoint, tmp_path):
        net = load_checkpoint(checkpoint).net
        net.bottleneck[1].running_var.fill_(1e-9)  # zero in float16
        save_checkpoint(tmp_path / "half", net, Metadata("attention_unet", dict(TINY)), half=True)
        loaded = load_checkpoint(tmp_path / "half").net
        assert loaded.bottleneck[1].running_var[0] == pytest.approx(1e-9)
        assert loaded.head.weight.dtype == torch.float32
        torch.testing.assert_close(loaded.head.weight, net.head.weight, rtol=1e-3, atol=1e-4)
        sizes = [(f / "model.safetensors").stat().st_size for f in (tmp_path / "half", checkpoint)]
        assert sizes[0] < 0.75 * sizes[1]

    def test_metadata_names_all_that_a_result_depends_on(self, checkpoint):
        metadata = read_metadata(checkpoint / "model.json")
        assert metadata.parameters == sum(p.numel() for p in load_checkpoint(checkpoint).net.parameters())
        assert {"delineate", "numpy", "python", "safetensors", "torch"} <= metadata.versions.keys()
        assert metadata.preprocessing == "standardise-v2"
        assert metadata.threshold == 0.5

    def test_saving_again_replaces_and_leaves_nothing_else(self, checkpoint):
        metadata = replace(read_metadata(checkpoint / "model.json"), threshold=0.4)
        save_checkpoint(checkpoint, build("attention_unet", TINY), metadata)
        assert load_checkpoint(checkpoint).threshold == 0.4
        assert sorted(path.name for path in checkpoint.iterdir()) == ["model.json", "model.safetensors"]


class TestRefusals:
    def test_nothing_there(self, tmp_path):
        assert "there are no weights" in refusal(tmp_path / "missing")
        assert "there are no weights" in refusal(tmp_path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"\n <!DOCTYPE html><html><body>Not found</body></html>", "web page"),
            (b"<HTML>" + b"x" * 100, "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "git lfs pull"),
            (pickle.dumps({"weights": [1, 2, 3]}), "pickle"),
            (b"PK\x03\x04" + b"\0" * 60, "pickle"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "not a safetensors file"),
            (b"abc", "truncated"),
            ((16).to_bytes(8, "little") + b"{not json at all", "not a safetensors file"),
            ((4).to_bytes(8, "little") + b"[{}]", "not a safetensors file"),
            ((8).to_bytes(8, "little") + b'{"a": 1}', "not a safetensors file"),
            ((4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc", "not a safetensors file"),
        ],
    )
    def test_files_that_are_something_else(self, checkpoint, content, reason):
        replace_weights(checkpoint, content)
        assert reason in refusal(checkpoint)

    @pytest.mark.parametrize("kept", [0.001, 0.2, 0.99])
    def test_a_truncated_file(self, checkpoint, kept):
        whole = (checkpoint / "model.safetensors").read_bytes()
        replace_weights(checkpoint, whole[: max(12, int(kept * len(whole)))])
        assert "truncated" in refusal(checkpoint)

    def test_a_changed_file(self, checkpoint):
        content = bytearray((checkpoint / "model.safetensors").read_bytes())
        content[-1] ^= 1
        replace_weights(checkpoint, bytes(content))
        assert "sha256" in refusal(checkpoint)

    def test_weights_without_their_description(self, checkpoint, tmp_path):
        lone = shutil.copy(checkpoint / "model.safetensors", tmp_path / "lone.safetensors")
        assert "model.json is missing" in refusal(lone)

    @pytest.mark.parametrize("text", ["", "[]", "not json", "{}", '"text"', "\udcff"])
    def test_a_description_that_is_none(self, checkpoint, text):
        (checkpoint / "model.json").write_bytes(text.encode(errors="surrogateescape"))
        assert "not a checkpoint's description" in refusal(checkpoint)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"format_version": 99}, "format version 99"),
            ({"format_version": -1}, "format version -1"),
            ({"format_version": "1"}, "format version 1"),
            ({"format_version": 0}, "have attention_gates, these do not"),
            ({"architecture": "transformer"}, "no architecture 'transformer'"),
            ({"arguments": {"depth": 3}}, "cannot be built"),
            ({"arguments": None}, "does not follow format version"),
            ({"unknown": 1}, "does not follow format version"),
            ({"preprocessing": "raw-v0"}, "raw-v0"),
            ({"weights_sha256": "0" * 64}, "sha256"),
            ({"arguments": TINY | {"base": 8}}, "does not fit its architecture"),
            ({"arguments": TINY | {"levels": 4}}, "does not fit its architecture"),
            ({"threshold": "high"}, "threshold"),
            ({"threshold": 1.5}, "threshold"),
        ],
    )
    def test_a_description_that_does_not_fit(self, checkpoint, changes, reason):
        edit(checkpoint, **changes)
        assert reason in refusal(checkpoint)

    def test_a_pickle_is_never_run(self, checkpoint, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        replace_weights(checkpoint, pickle.dumps(Bomb()))
        refusal(checkpoint)
        assert not (tmp_path / "ran").exists()


class TestFittedScores:
    def test_they_come_back_with_what_they_were_fitted_on(self, checkpoint):
        assert load_checkpoint(checkpoint).scores is None
        weights = load_checkpoint(checkpoint).sha256
        save_scores(checkpoint, SCORES, {"scenes": 2000})
        loaded = load_checkpoint(checkpoint)
        assert loaded.sha256 == weights
        assert loaded.metadata.familiarity["scenes"] == 2000
        assert loaded.scores.to_arrays().keys() == SCORES.to_arrays().keys()
        assert names_scores((checkpoint / "model.json").read_bytes())

    def test_a_checkpoint_of_an_older_format_keeps_it(self, checkpoint):
        edit(checkpoint, format_version=2, familiarity=None)
        save_scores(checkpoint, SCORES, {})
        assert json.loads((checkpoint / "model.json").read_text())["format_version"] == 2
        assert load_checkpoint(checkpoint).scores is not None

    def test_those_of_an_older_version_are_not_used_and_told_of(self, checkpoint, caplog):
        save_scores(checkpoint, SCORES, {})
        older = {name: array for name, array in SCORES.to_arrays().items() if not name.startswith("strange")}
        save_arrays({**older, "sum_ranks.values": np.ones(9, np.float32)}, checkpoint / FAMILIARITY_NAME)
        edit(checkpoint, familiarity={"sha256": file_sha256(checkpoint / FAMILIARITY_NAME)})
        assert load_checkpoint(checkpoint).scores is None
        assert "python -m training.familiarity fits it again" in caplog.text

    def test_they_do_not_outlive_the_weights(self, checkpoint):
        save_scores(checkpoint, SCORES, {})
        model = load_checkpoint(checkpoint)
        save_checkpoint(checkpoint, model.net, model.metadata)
        assert load_checkpoint(checkpoint).scores is None

    def test_they_can_be_taken_away(self, checkpoint):
        save_scores(checkpoint, SCORES, {})
        remove_scores(checkpoint)
        assert load_checkpoint(checkpoint).scores is None
        assert sorted(path.name for path in checkpoint.iterdir()) == ["model.json", "model.safetensors"]

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [(None, "is missing"), (b"<html>", "a web page"), (b"\x02" + bytes(7) + b"{}", "fit it again")],
    )
    def test_what_is_not_there_or_another_is_told(self, checkpoint, damage, reason):
        save_scores(checkpoint, SCORES, {})
        path = checkpoint / "familiarity.safetensors"
        path.unlink() if damage is None else path.write_bytes(damage)
        assert reason in refusal(checkpoint)

    def test_a_description_that_is_none_names_no_scores(self):
        assert not names_scores(b"<html>")
        assert not names_scores(b"[]")


class TestNumbers:
    @staticmethod
    def spoil(checkpoint, value, name="head.bias"):
        """Put a value into one tensor of a checkpoint, with all hashes right."""
        weights = checkpoint / "model.safetensors"
        tensors = load_file(weights)
        tensors[name] = torch.full_like(tensors[name], value)
        save_file(tensors, weights)
        edit(checkpoint, weights_sha256=file_sha256(weights))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    @pytest.mark.parametrize("name", ["head.bias", "encoder.0.conv.1.running_var"])
    def test_weights_that_are_no_numbers_are_refused(self, checkpoint, value, name):
        self.spoil(checkpoint, value, name)
        reason = refusal(checkpoint)
        assert "hold NaN or infinity" in reason
        assert name in reason

    def test_they_are_not_written_either(self, checkpoint):
        before = (checkpoint / "model.safetensors").read_bytes()
        net = build("attention_unet", TINY)
        with torch.no_grad():
            net.head.bias[0] = float("nan")
        with pytest.raises(CheckpointError, match="NaN or infinity"):
            save_checkpoint(checkpoint, net, Metadata("attention_unet", dict(TINY)))
        assert (checkpoint / "model.safetensors").read_bytes() == before

    def test_a_weight_beyond_float16_is_not_written_as_infinity(self, tmp_path):
        net = build("attention_unet", TINY)
        with torch.no_grad():
            net.head.weight.fill_(1e6)
        with pytest.raises(CheckpointError, match="head"):
            save_checkpoint(tmp_path, net, Metadata("attention_unet", dict(TINY)), half=True)

    def test_fitted_scores_that_are_no_numbers_are_refused(self, checkpoint):
        save_scores(
            checkpoint,
            replace(SCORES, strange=replace(SCORES.strange, weights=SCORES.strange.weights * np.nan)),
            {"scenes": 9},
        )
        assert "NaN or infinity: fit it again" in refusal(checkpoint)
