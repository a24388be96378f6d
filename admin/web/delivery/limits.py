"""What one request may bring; pages and API share it. `producer` has no such limits."""

MAX_IMAGES = 10_000  # of a synthetic job: the request waits until all their rows are there
MAX_FILES = 500  # of an upload
