"""Regions of items, as the viewer asks for them: samples of all planes, whether the image is held or lies in a file."""

import gzip
import json
import struct
from typing import Any

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray

from admin.pages import opened_items
from admin.pages.items import version
from admin.web.context import OPENED
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import DecodeLimits, decode
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser

LIMITS = DecodeLimits(1, 4096)


@pytest.fixture
def item(services: Services) -> Item:
    job = submit_synthetic(services, SyntheticSpec(1, seed=3), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    return services.repository.items(job, limit=1)[0]


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    data = gzip.decompress(data)
    [length] = struct.unpack_from("<I", data)
    about = json.loads(data[4 : 4 + length])
    planes, at = {}, 4 + length
    for plane in about["planes"]:
        dtype = np.dtype(f"<u{plane['bytes']}")
        count = about["rows"] * about["columns"]
        planes[plane["name"]] = np.frombuffer(data, dtype, count, at).reshape(about["rows"], about["columns"])
        at += count * dtype.itemsize
    assert at == len(data)
    return about, planes


def test_a_region_holds_every_plane_as_it_is_stored(browser: Browser, services: Services, item: Item) -> None:
    answer = browser.get(f"/items/{item.id}/region?v={version(item)}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    about, planes = unpacked(answer.data)
    stored = {
        name: decode(services.store.get(getattr(item, f"{name}_key")), limits=LIMITS).pixels
        for name in ("source", "mask", "probability", "truth")
    }
    for name, pixels in stored.items():
        assert (planes[name] == pixels).all(), name
    assert sum(about["levels"]) == stored["mask"].size
    assert sum(about["levels"][about["foreground_from"] :]) == stored["mask"].sum()
    assert sum(about["inside"]) == stored["truth"].sum()
    again = browser.get(f"/items/{item.id}/region?v={version(item)}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_large_image_is_read_in_parts_from_a_file(
    app: Flask, browser: Browser, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = f"/items/{item.id}/region?x=128&y=64&width=256&height=100&step="
    held = {step: unpacked(browser.get(f"{part}{step}").data) for step in (1, 2, 4)}
    whole = unpacked(browser.get(f"/items/{item.id}/region").data)
    monkeypatch.setattr(opened_items, "HELD_PIXELS", 100)
    app.extensions[OPENED] = opened_items.OpenedItems(lambda *_: pytest.fail("it is too large"), LIMITS, 60)
    for step, (about, planes) in held.items():
        in_file, from_file = unpacked(browser.get(f"{part}{step}").data)
        assert in_file == about
        assert all((from_file[name] == planes[name]).all() for name in planes)
    # An overview is coarser, and so are the regions that are made of it.
    monkeypatch.setattr("shared.images.regions.MAX_SIDE", 128)
    app.extensions[OPENED] = opened_items.OpenedItems(lambda *_: pytest.fail("it is too large"), LIMITS, 60)
    about, planes = unpacked(browser.get(f"/items/{item.id}/region").data)
    assert (about["step"], about["rows"], about["columns"]) == (4, 128, 128)
    assert about["levels"] == whole[0]["levels"]
    _, coarse = unpacked(browser.get(f"{part}4").data)
    assert all((coarse[name] == held[4][1][name]).all() for name in coarse)


@pytest.mark.parametrize(
    "query",
    ["x=1", "x=0&y=0&width=9&height=9&step=3", "x=512&y=0&width=9&height=9&step=1", "x=0&y=-1&width=9&height=9&step=1",
     "x=0&y=0&width=0&height=9&step=1", "x=a&y=0&width=9&height=9&step=1"],
)  # fmt: skip
def test_a_part_that_is_none_is_refused_in_a_line(browser: Browser, item: Item, query: str) -> None:
    answer = browser.get(f"/items/{item.id}/region?{query}")
    assert answer.status_code == 400
    assert "step" in answer.text


def test_what_is_gone_or_damaged_has_no_region(browser: Browser, services: Services, item: Item) -> None:
    services.store.put(item.mask_key or "", b"no picture")
    assert browser.get(f"/items/{item.id}/region").status_code == 404
    services.store.delete([item.mask_key or ""])
    assert browser.get(f"/items/{item.id}/region").status_code == 404
    assert browser.get(f"/items/{NOTHING}/region").status_code == 404


def test_items_that_were_not_looked_at_for_long_make_room(
    app: Flask, browser: Browser, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened_items, "_KEPT_PIXELS", 10)
    kept = app.extensions[OPENED]
    first = browser.get(f"/items/{item.id}/region").data
    opened = next(iter(kept._kept.values()))
    kept._kept["another"] = opened
    kept._kept.move_to_end("another", last=False)
    assert [each is opened for each in kept._leaving()] == [True]
    opened.close()  # by a thread that makes room, while another asks
    kept._kept.clear()
    assert browser.get(f"/items/{item.id}/region").data == first
