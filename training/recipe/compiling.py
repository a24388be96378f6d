"""What torch.compile needs beyond torch."""

import os
import shutil

from shared.errors import ConfigurationError

_COMPILERS = ("gcc", "cc", "clang", "g++", "c++", "clang++")


def check_compiler() -> None:
    """Check that the compiler that torch.compile calls for its kernels is there, before a run has begun.

    Raises:
        ConfigurationError: it is not, as in the image of the worker.
    """
    own = [os.environ.get(name) for name in ("CC", "CXX")]  # noqa: TID251 - torch's variables, not ours
    if not any(shutil.which(name) for name in (*own, *_COMPILERS) if name):
        raise ConfigurationError(
            "compile: true needs a C compiler, and there is none here: install gcc or clang, or set compile=false"
        )
