import gzip

import pytest

from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser

TAKES_IT = {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize("address", ["/", "/static/admin.css", "/static/vendor/idiomorph-0.8.0.min.js"])
def test_text_leaves_compressed_where_it_is_taken(browser: Browser, address: str) -> None:
    plain = browser.get(address, headers={"Accept-Encoding": "identity"})
    packed = browser.get(address, headers=TAKES_IT)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert len(packed.data) == int(packed.headers["Content-Length"])
    assert len(packed.data) < len(plain.data) / 2
    if address != "/":
        assert gzip.decompress(packed.data) == plain.data
        known = browser.get(address, headers=TAKES_IT | {"If-None-Match": packed.headers["ETag"]})
        assert (known.status_code, known.data) == (304, b"")


def test_what_is_compressed_already_stays_as_it_is(browser: Browser, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    [item] = services.repository.items(job, limit=1)
    for address in (f"/items/{item.id}/source.png", f"/jobs/{job}/results.zip"):
        assert "Content-Encoding" not in browser.get(address, headers=TAKES_IT).headers
    assert "Content-Encoding" not in browser.get("/health/live", headers=TAKES_IT).headers  # too little to be worth it
