"""One module for each library that reads; `shared.images.codec.decode` chooses among them.

A reader is `read(data, limits) -> DecodedImage`. It raises `ImageError` for what it refuses on purpose, and
whatever its library raises for damaged bytes: the caller turns that into `truncated`.
"""
