"""One module for each library that reads; `shared.images.codec.decode` chooses among them.

A reader is `read(data, limits) -> DecodedImage`. What it refuses on purpose is an `ImageError`, and for damaged bytes
comes whatever its library raises: the caller turns that into `truncated`.
"""
