"""Folders of images for tests, made from a seed: every format, mode and depth read, and every kind of bad file.

    python -m tests.corpus FOLDER --count 500        a mixed folder, its bad files listed at the end
    python -m tests.corpus --examples examples/images

`encodings` writes one picture in each way a file can hold it, `damage` makes the files that must fail,
`mixed` puts a folder together, `examples` makes the images that the repository shows.
"""

from tests.corpus.mixed import CorpusManifest, build_mixed_corpus

__all__ = ["CorpusManifest", "build_mixed_corpus"]
