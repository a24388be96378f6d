import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small lose more to waiting for a second thread than they gain, on a busy machine above all."""
    torch.set_num_threads(1)
