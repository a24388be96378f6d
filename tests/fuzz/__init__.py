"""Hostile files: whatever the bytes, decoding ends in pixels or in an error with a code, in bounded time and memory.

    python -m tests.fuzz --count 20000 --seed 1      20,000 mutated files, and what became of them
    python -m tests.fuzz --seed 1 --only 4711        one of them again

`mutations` makes the files out of those of `tests.corpus`, `campaign` decodes them and counts.
"""
