"""The Python client of Delineate's HTTP API: submit images, wait, take the results as numpy arrays.

from delineate_client import Client

with Client("http://127.0.0.1:8000", token="dln_…") as client:
job = client.wait(client.submit("scans/"))
for result in client.results(job):
print(result.item.path, result.mask.mean())
"""

from delineate_client.client import Client, Result
from delineate_client.errors import ApiError, ApiUnavailable, WaitTimeout
from delineate_client.models import Counts, Item, Job

__all__ = ["ApiError", "ApiUnavailable", "Client", "Counts", "Item", "Job", "Result", "WaitTimeout"]
