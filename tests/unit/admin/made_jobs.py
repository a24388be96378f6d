"""Jobs to look at."""

from shared.flows.submission import Source, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests import simulated_worker


def synthetic(services: Services, count: int = 3, name: str = "job", done: bool = True) -> str:
    job = submit_synthetic(
        services, SyntheticSpec(count, severity_to=0.5, severity_from=0), name=name, submitted_by="ana"
    )
    if done:
        simulated_worker.process(services, job)
    return job


def mixed(services: Services) -> str:
    good = simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image)
    files = {"a/good.png": good, "b/broken.png": b"no image", "b/empty.png": b"", "c/empty.png": b""}
    sources = [Source(path, lambda data=data: data) for path, data in files.items()]
    job = submit_images(services, sources, name="mixed", submitted_by="ana")
    simulated_worker.process(services, job)
    return job
