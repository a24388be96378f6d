"""The network run by OpenVINO, on a CPU (the optional extra `openvino`)."""

import threading
import warnings
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.errors import ConfigurationError, DeviceOutOfMemory
from shared.net.inference import ByImage, OfSplitImages, for_inference, split
from shared.net.network import AfterStem, Network
from shared.net.tiling import TILE_SIZE
from shared.net.torch_backend import PROBABILITY_LEVELS

if TYPE_CHECKING:
    import openvino

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
Shape = tuple[int, int]
"""Height and width of tiles."""

_PROBABILITIES, _LEVELS = 0, 1  # the compiled network's outputs


class _WithLevels(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = self.net(image)
        return probabilities, (probabilities * PROBABILITY_LEVELS).round().to(torch.uint8)


class OpenVINOBackend:
    """Threads may call it at once: each is served by one core, as torch serves the worker's threads.

    Args:
        net: in float32; it is compiled for each shape of tiles when the first of them comes.
        dtype: float32 or bfloat16.
        threads: calls that run at a time.

    Raises `ConfigurationError` where OpenVINO is not installed.
    """

    def __init__(self, net: Network, dtype: torch.dtype, threads: int) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ConfigurationError(
                "the backend openvino is not installed here: pip install 'delineate[openvino]', or use torch"
            ) from error
        self._core = openvino.Core()
        ready = for_inference(net)
        rest: nn.Module = AfterStem(ready)
        self._stem = ByImage(ready.pixels)
        self._fold, self._channels = ready.fold, ready.stem_channels
        self._is_split = dtype != torch.float32
        if self._is_split:
            rest, self._channels = OfSplitImages(rest, self._channels), 2 * self._channels
        self._model = _convert(_WithLevels(rest), self._channels)
        self._options = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiling = threading.Lock()
        self._compiled: dict[Shape, openvino.CompiledModel] = {}
        self._of_thread = threading.local()

    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Foreground probabilities, float32 (N, H, W), of standardised tiles (N, H, W). Raises `DeviceOutOfMemory`."""
        return cast(NDArray[np.float32], self._infer(tiles, _PROBABILITIES))

    def levels(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The same in 255ths, uint8."""
        return cast(NDArray[np.uint8], self._infer(tiles, _LEVELS))

    def _infer(self, tiles: NDArray[np.float32], output: int) -> NDArray[np.generic]:
        try:
            request = self._request((tiles.shape[1], tiles.shape[2]))
            # The answer lies in the request's own memory, which the next call overwrites: only what is wanted is kept.
            answers = request.infer([self._input(tiles)], share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            if "alloc" not in str(error):
                raise
            raise DeviceOutOfMemory(
                f"a batch of {len(tiles)} tiles does not fit in memory: use a smaller batch"
            ) from error
        return np.array(answers[output])

    def _input(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the compiled network takes them; in this thread's own memory, since fresh memory costs more than this."""
        with torch.inference_mode():
            folded: Tensor = self._stem(torch.from_numpy(tiles)[:, None])
            if not self._is_split:
                return cast(NDArray[np.float32], folded.numpy())
            kept: Tensor | None = getattr(self._of_thread, "halves", None)
            if kept is None or kept.shape[2:] != folded.shape[2:] or len(kept) < len(folded):
                kept = torch.empty(len(folded), self._channels, *folded.shape[2:])
                self._of_thread.halves = kept
            return cast(NDArray[np.float32], split(folded, kept[: len(folded)]).numpy())

    def _request(self, shape: Shape) -> "openvino.InferRequest":
        """This thread's own request for tiles of this shape, in batches of any size."""
        requests: dict[Shape, openvino.InferRequest] = self._of_thread.__dict__.setdefault("requests", {})
        if shape not in requests:
            with self._compiling:
                if shape not in self._compiled:
                    model = self._model.clone()
                    model.reshape([-1, self._channels, *(side // self._fold for side in shape)])
                    self._compiled[shape] = self._core.compile_model(model, "CPU", self._options)
            requests[shape] = self._compiled[shape].create_infer_request()
        return requests[shape]


def _convert(net: nn.Module, channels: int) -> "openvino.Model":
    """The network as an OpenVINO model.

    By the front end itself: the usual `openvino.convert_model` also reports its use to the makers of OpenVINO.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), torch.inference_mode():
        # Tracing takes the check of the sides, which tiles always pass, for a constant, and is deprecated.
        warnings.simplefilter("ignore")
        example = torch.zeros(1, channels, TILE_SIZE, TILE_SIZE)
        traced = torch.jit.trace(net.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
    decoder = TorchScriptPythonDecoder(traced)  # has to outlive the conversion, which does not keep it
    front_end = FrontEndManager().load_by_framework("pytorch")
    return front_end.convert(front_end.load(decoder))
