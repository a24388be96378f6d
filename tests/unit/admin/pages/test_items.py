import gzip
import io
import re
from typing import Any

import numpy as np
import pytest
from flask import Flask
from markupsafe import escape
from PIL import Image
from sqlalchemy import update

from admin.pages.pictures import FIGURE, THUMBNAIL, Picture, draw, placeholder
from admin.web.context import DECODERS, WHOLE_PICTURES
from shared.db.measurements import MEASUREMENTS
from shared.db.tables.jobs import ItemRow
from shared.errors import StoreUnavailable
from shared.flows.submission import Source, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.channel_choice import AUTO
from shared.images.codec import decode, encode_grey
from shared.images.decoded import DecodeLimits
from shared.images.heatmap import CONTOUR_COLOUR
from shared.images.isolated import Decoders
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker
from tests.corpus.tiffs import no_data, tiff
from tests.unit.admin.conftest import Browser
from tests.unit.images import misbehaving_decoder

PICTURES = ("source", "mask", "probability", "overlay", "truth", "errors")


@pytest.fixture
def items(services: Services) -> list[Item]:
    job = submit_synthetic(services, SyntheticSpec(3, severity_to=0.3, severity_from=0), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    return services.repository.items(job, limit=3)


def image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("query", "side"), [("", 512), (f"?size={FIGURE}", 512), (f"?size={THUMBNAIL}", 256)])
def test_each_picture(browser: Browser, items: list[Item], name: str, query: str, side: int) -> None:
    answer = browser.get(f"/items/{items[0].id}/{name}.png{query}")
    assert answer.status_code == 200
    assert answer.content_type == "image/png"
    picture = image(answer.data)
    assert picture.size == (side, side)
    assert picture.mode == ("RGB" if name in ("probability", "overlay", "errors") else "L")


def test_pictures_show_what_is_stored(browser: Browser, services: Services, items: list[Item]) -> None:
    item = items[0]
    shown = {name: np.asarray(image(browser.get(f"/items/{item.id}/{name}.png").data)) for name in PICTURES}
    stored = np.asarray(image(services.store.get(item.mask_key or "")).convert("L"))
    assert (shown["mask"] == stored).all()
    assert (shown["overlay"] == CONTOUR_COLOUR).all(axis=2).any()
    # The contour lies on the mask's edge: far from it the source is as it was.
    inside = stored > 0
    far = inside & np.roll(inside, 9, 0) & np.roll(inside, -9, 0) & np.roll(inside, 9, 1) & np.roll(inside, -9, 1)
    assert (shown["overlay"][far] == shown["source"][far][:, None]).all()
    missed = (shown["truth"] > 0) & ~inside
    assert missed.any()
    assert (shown["errors"][missed][:, 2] > shown["errors"][missed][:, 0]).all()  # blue
    agreed = (shown["truth"] > 0) == inside
    assert (shown["errors"][agreed] == shown["source"][agreed][:, None]).all()
    assert shown["probability"][inside].mean() > 2 * shown["probability"][~inside].mean()


def test_one_picture_is_drawn_in_full_at_a_time(app: Flask, browser: Browser, items: list[Item]) -> None:
    with app.extensions[WHOLE_PICTURES].inside("somebody"):
        refused = browser.get(f"/items/{items[0].id}/source.png")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert browser.get(f"/items/{items[0].id}/source.png?size={THUMBNAIL}").status_code == 200
    assert browser.get(f"/items/{items[0].id}/source.png").status_code == 200


@pytest.mark.parametrize("query", ["?size=257", "?size=100000", "?size=x", "?size=-256", "?size="])
def test_sizes_are_those_of_the_list(browser: Browser, items: list[Item], query: str) -> None:
    assert browser.get(f"/items/{items[0].id}/source.png{query}").status_code == 404


def test_only_pictures_that_exist(browser: Browser, services: Services, items: list[Item]) -> None:
    assert browser.get(f"/items/{items[0].id}/../mask.png").status_code == 404
    assert browser.get(f"/items/{items[0].id}/other.png").status_code == 404
    waiting = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    item = services.repository.items(waiting, limit=1)[0]
    for name in PICTURES:
        assert browser.get(f"/items/{item.id}/{name}.png").status_code == 404


def test_a_picture_is_kept_by_this_browser_alone_until_its_item_changes(browser: Browser, items: list[Item]) -> None:
    page = browser.get(f"/items/{items[0].id}").text
    version = page.split("mask.png?size=1024&amp;v=")[1][:12]
    address = f"/items/{items[0].id}/mask.png"
    current = browser.get(f"{address}?v={version}")
    assert current.cache_control.private
    assert current.cache_control.max_age > 0
    assert current.cache_control.immutable
    for stale in (address, f"{address}?v=0123456789ab"):
        assert browser.get(stale).cache_control.no_cache
    etag = current.headers["ETag"]
    again = browser.get(address, headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.data == b""
    other = browser.get(f"/items/{items[0].id}/truth.png", headers={"If-None-Match": etag})
    assert other.status_code == 200


def test_a_thumbnail_is_drawn_once_for_all_who_look(
    browser: Browser, stranger: Browser, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def counting(wanted: Picture, *arguments: Any, **options: Any) -> bytes:
        drawn.append(wanted)
        return draw(wanted, *arguments, **options)

    monkeypatch.setattr("admin.pages.items.draw", counting)
    page = f"/items/{items[0].id}"
    thumbnails = [browser.get(f"{page}/overlay.png?size={THUMBNAIL}").data for _ in range(3)]
    assert len(set(thumbnails)) == 1
    assert image(thumbnails[0]).size == (256, 256)
    assert drawn == ["overlay"]
    assert stranger.get(f"{page}/overlay.png?size={THUMBNAIL}").status_code == 302  # to the login: kept for no stranger
    for _ in range(2):
        browser.get(f"{page}/overlay.png")  # the whole of it takes too much memory to be kept
    browser.get(f"{page}/mask.png?size={THUMBNAIL}")
    assert drawn == ["overlay", "overlay", "overlay", "mask"]


def test_a_thumbnail_goes_with_its_source(browser: Browser, services: Services, items: list[Item]) -> None:
    address = f"/items/{items[0].id}/source.png?size={THUMBNAIL}"
    assert browser.get(address).status_code == 200
    with services.database.write() as connection:
        connection.execute(update(ItemRow).values(source_key=None))
    assert browser.get(address).status_code == 404


@pytest.mark.parametrize("damage", [b"not a PNG", b"", None])
def test_what_cannot_be_shown_is_a_placeholder(
    browser: Browser, services: Services, items: list[Item], damage: bytes | None
) -> None:
    if damage is None:
        services.store.delete([items[0].mask_key or ""])
    else:
        services.store.put(items[0].mask_key or "", damage)
    for name in ("mask", "overlay"):
        answer = browser.get(f"/items/{items[0].id}/{name}.png")
        assert answer.status_code == 200
        assert answer.data == placeholder()
        assert answer.cache_control.no_store
    assert browser.get(f"/items/{items[0].id}/source.png").data != placeholder()


def test_a_source_over_the_longest_side_is_not_decoded(browser: Browser, services: Services) -> None:
    limit = services.settings.max_image_side
    wide = encode_grey(np.zeros((4, limit + 1), np.uint8))
    job = submit_images(services, [Source("wide.png", lambda: wide)], name="wide", submitted_by="ana")
    item = services.repository.items(job, limit=1)[0]
    assert browser.get(f"/items/{item.id}/source.png?size=256").data == placeholder()


def test_a_source_that_crashes_its_decoder_is_a_placeholder(browser: Browser, app: Flask, services: Services) -> None:
    app.extensions[DECODERS] = Decoders(
        DecodeLimits(1, 1024), seconds=60, processes=1, module=misbehaving_decoder.__name__
    )
    hostile = encode_grey(np.zeros((20, misbehaving_decoder.SEGFAULT), np.uint8))
    harmless = encode_grey(np.zeros((20, 40), np.uint8))
    sources = [Source("hostile.png", lambda: hostile), Source("harmless.png", lambda: harmless)]
    job = submit_images(services, sources, name="two", submitted_by="ana")
    pictures = [
        browser.get(f"/items/{item.id}/source.png?size=256").data for item in services.repository.items(job, limit=2)
    ]
    assert pictures[0] == placeholder()
    assert image(pictures[1]).size == (40, 20)


def test_a_store_that_is_away_is_not_a_placeholder(
    browser: Browser, services: Services, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_store: object, _key: str) -> bytes:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(type(services.store), "get", away)
    assert browser.get(f"/items/{items[0].id}/source.png").status_code == 503


def test_the_page_shows_all_pictures_numbers_and_provenance(browser: Browser, items: list[Item]) -> None:
    item = items[1]
    page = browser.get(f"/items/{item.id}").text
    for name in PICTURES:
        assert f"/items/{item.id}/{name}.png?size=1024" in page
    measured = {name: each for name, each in MEASUREMENTS.items() if getattr(item, name) is not None}
    assert list(measured) == ["foreground", "confidence", "trust", "dice", "iou", "precision", "recall"]
    for value in (
        f"{item.dice:.3f}",
        f"{item.iou:.3f}",
        f"{item.trust:.3f}",
        f"{item.confidence:.3f}",
        f"{item.foreground * 100:.1f} %",
        *(measurement.label for measurement in measured.values()),
        *(str(escape(measurement.explanation)) for measurement in measured.values()),
        simulated_worker.MODEL,
        simulated_worker.NAME,
    ):
        assert value in page
    assert f"/items/{items[0].id}" in page
    assert f"/items/{items[2].id}" in page


def test_what_a_manifest_says_of_an_image_is_on_its_page(
    browser: Browser, services: Services, items: list[Item]
) -> None:
    assert "What is said of it" not in browser.get(f"/items/{items[0].id}").text
    with services.database.write() as connection:
        connection.execute(update(ItemRow).values(described={"well": "A<1", "dose": "", "point_left": "-0.5"}))
    page = browser.get(f"/items/{items[0].id}").text
    said = page.split("What is said of it")[1].split("</section>")[0]
    assert re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", said) == [("well", "A&lt;1"), ("point_left", "-0.5")]


def test_a_thumbnail_has_the_measurements_that_say_so(browser: Browser, services: Services, items: list[Item]) -> None:
    with services.database.write() as connection:  # of a model with fitted scores
        connection.execute(update(ItemRow).values(quality=ItemRow.trust / 2))
    gallery = browser.get(f"/jobs/{items[0].job_id}/items").text
    captions = ["Dice", "conf.", "quality"]
    for item in items:
        assert item.trust is not None
        values = [f"{item.dice:.3f}", f"{item.confidence:.3f}", f"{item.trust / 2:.3f}"]
        card = gallery.split(f'id="item-{item.id}"')[1].split("</dl>")[0]
        assert re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", card) == list(zip(captions, values, strict=True))


def test_the_first_and_the_last_have_one_neighbour(browser: Browser, items: list[Item]) -> None:
    assert 'rel="prev"' not in browser.get(f"/items/{items[0].id}").text
    assert 'rel="next"' not in browser.get(f"/items/{items[-1].id}").text


def test_a_failed_item_shows_why_and_what_it_was(browser: Browser, services: Services) -> None:
    job = submit_images(services, [Source("x.png", lambda: b"text")], name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    item = services.repository.items(job, limit=1)[0]
    page = browser.get(f"/items/{item.id}").text
    assert "not_an_image" in page
    assert "whatever the name says" in page
    assert "mask.png" not in page


@pytest.mark.parametrize("size", [None, 40])
def test_a_picture_without_data_in_places_shows_the_rest(size: int | None) -> None:
    pixels = np.linspace(0, 1, 96 * 80, dtype=np.float32).reshape(80, 96)
    pixels[:20] = -9999
    source = tiff(pixels, tags=no_data("-9999"))
    limits = DecodeLimits(16, 4096)
    drawn = draw(
        Picture.SOURCE,
        (source,),
        size=size,
        decode=lambda data, channel: decode(data, limits=limits, channel=channel),
        channel=AUTO,
    )
    shown = np.asarray(image(drawn))
    assert shown[: len(shown) // 5].max() <= 1
    assert shown[-1].min() > 240


def test_pictures_show_the_channel_that_was_segmented(browser: Browser, services: Services) -> None:
    colours = np.random.default_rng(4).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")

    def submitted(source: bytes, channel: str) -> Item:
        job = submit_images(services, [Source("x.png", lambda: source)], name="n", submitted_by="ana", channel=channel)
        simulated_worker.process(services, job)
        return services.repository.items(job, limit=1)[0]

    chosen, plain = submitted(buffer.getvalue(), "green"), submitted(encode_grey(colours[..., 1]), AUTO)
    services.store.put(chosen.mask_key or "", services.store.get(plain.mask_key or ""))
    for name in ("source.png", f"overlay.png?size={THUMBNAIL}", "mask.png", "preview.webp"):
        assert browser.get(f"/items/{chosen.id}/{name}").data == browser.get(f"/items/{plain.id}/{name}").data, name
    region = gzip.decompress(browser.get(f"/items/{chosen.id}/region").data)
    assert colours[..., 1].tobytes() in region
