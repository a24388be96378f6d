"""The training command for networks without batch normalisation.

On CPUs each process normalises its own part of a batch. Without it, several processes compute what one does.
"""

import sys

import torch


class NoNormalisation(torch.nn.Identity):
    """In the place of a BatchNorm2d."""


def leave_out_normalisation() -> None:
    torch.nn.BatchNorm2d = NoNormalisation


if __name__ == "__main__":
    from training.train import main

    leave_out_normalisation()
    sys.exit(main())
