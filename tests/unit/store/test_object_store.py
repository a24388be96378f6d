"""The contract of `ObjectStore`, on every backend. The S3 half runs in the integration tier."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import ConfigurationError, ObjectMissing, UsageError
from shared.store import ObjectInfo, ObjectStore, keys, open_store


class TestObjectStore:
    def test_gives_back_what_was_put(self, object_store: ObjectStore):
        everything = bytes(range(256)) * 40
        object_store.put("jobs/a/mask/1.png", everything, "image/png")
        object_store.put("jobs/a/empty", b"")
        assert object_store.get("jobs/a/mask/1.png") == everything
        assert object_store.get("jobs/a/empty") == b""
        assert object_store.size("jobs/a/mask/1.png") == len(everything)
        assert object_store.size("jobs/a/empty") == 0
        assert object_store.exists("jobs/a/empty")

    def test_putting_again_replaces(self, object_store: ObjectStore):
        object_store.put("a/b", b"a longer first version")
        object_store.put("a/b", b"second")
        assert object_store.get("a/b") == b"second"
        assert list(object_store.list("a/")) == [ObjectInfo("a/b", 6)]

    def test_a_missing_object(self, object_store: ObjectStore):
        object_store.put("a/b/c", b"x")
        for key in ("a", "a/b", "a/b/d", "a/b/c/d", "z"):
            with pytest.raises(ObjectMissing, match=key):
                object_store.get(key)
            assert object_store.size(key) is None
            assert not object_store.exists(key)

    def test_gives_the_folders_of_a_folder(self, object_store: ObjectStore):
        for key in ("jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1", "jobs/note", "models/7"):
            object_store.put(key, b"x")
        assert sorted(object_store.folders("jobs/")) == ["jobs/7/", "jobs/70/"]
        assert sorted(object_store.folders("")) == ["jobs/", "models/"]
        assert list(object_store.folders("jobs/8/")) == []
        with pytest.raises(UsageError, match="ends in a slash"):
            object_store.folders("jobs")

    def test_lists_by_any_beginning_of_a_key(self, object_store: ObjectStore):
        for key in ("jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1", "models/7"):
            object_store.put(key, key.encode())
        listed = {
            prefix: sorted(info.key for info in object_store.list(prefix))
            for prefix in ("", "jobs/", "jobs/7", "jobs/7/", "jobs/7/m", "models/7", "jobs/8", "none/at/all/")
        }
        assert listed == {
            "": ["jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1", "models/7"],
            "jobs/": ["jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1"],
            "jobs/7": ["jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1"],
            "jobs/7/": ["jobs/7/mask/1", "jobs/7/prob/1"],
            "jobs/7/m": ["jobs/7/mask/1"],
            "models/7": ["models/7"],
            "jobs/8": [],
            "none/at/all/": [],
        }
        assert list(object_store.list("models/")) == [ObjectInfo("models/7", len("models/7"))]

    def test_deletes_what_is_there_and_minds_nothing_else(self, object_store: ObjectStore):
        object_store.put("a/1", b"x")
        object_store.put("a/2", b"x")
        object_store.delete(iter(["a/1", "a/never", "never/never", "a"]))
        assert [info.key for info in object_store.list()] == ["a/2"]
        object_store.delete([])

    def test_deletes_by_prefix_more_than_one_page(self, object_store: ObjectStore):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: object_store.put(f"jobs/7/mask/{i}", b"x"), range(1005)))
        object_store.put("jobs/70/mask/1", b"x")
        assert sum(1 for _ in object_store.list("jobs/7/")) == 1005
        assert object_store.delete_prefix("jobs/7/") == 1005
        assert object_store.delete_prefix("jobs/7/") == 0
        assert [info.key for info in object_store.list()] == ["jobs/70/mask/1"]

    def test_never_deletes_everything_by_an_empty_prefix(self, object_store: ObjectStore):
        object_store.put("a", b"x")
        with pytest.raises(UsageError, match="empty prefix"):
            object_store.delete_prefix("")
        assert object_store.exists("a")

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "a/.b",
            "a\\b",
            "a b",
            "a\0b",
            "a\n",
            "ä",
            "x" * 513,
        ],
    )
    def test_refuses_a_key_that_could_lead_elsewhere(self, object_store: ObjectStore, key: str):
        for action in (
            lambda: object_store.put(key, b""),
            lambda: object_store.get(key),
            lambda: object_store.size(key),
            lambda: object_store.delete([key]),
        ):
            with pytest.raises(UsageError, match="not a key"):
                action()

    @pytest.mark.parametrize("prefix", ["/", "..", "../", "a/../", "a/.", "//", "a b"])
    def test_refuses_a_prefix_that_could_lead_elsewhere(self, object_store: ObjectStore, prefix: str):
        for action in (lambda: object_store.list(prefix), lambda: object_store.delete_prefix(prefix)):
            with pytest.raises(UsageError, match="no key"):
                action()

    def test_is_ready_after_prepare_which_may_be_repeated(self, object_store: ObjectStore):
        object_store.put("a", b"x")
        object_store.prepare()
        object_store.check()
        object_store.check()
        assert object_store.get("a") == b"x"
        assert {info.key for info in object_store.list()} == {"a", keys.HEALTH_CHECK}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://",
        "/a/path",
        "file://relative/path",
        "file:///",
        "memory://",
        "gs://bucket",
        "s3://key:secret@bucket",
        "s3://bucket/../other",
        "s3://bucket?region=x",
    ],
)
def test_a_url_that_names_no_store(url: str):
    with pytest.raises((ConfigurationError, UsageError)) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_stores_of_one_name_in_memory_are_one_store():
    open_store("memory://shared").put("a", b"x")
    assert open_store("memory://shared").get("a") == b"x"
    assert not open_store("memory://other").exists("a")
