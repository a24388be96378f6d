"""The servers that the other tests rely on are real, and each test finds them empty."""

import subprocess

import pytest
from redis import Redis
from sqlalchemy import create_engine, inspect, text


def test_redis_keeps_an_append_only_file(broker_url: str):
    with Redis.from_url(broker_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("turn", [1, 2])
def test_redis_is_empty(broker_url: str, turn: int):
    with Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


@pytest.mark.parametrize("turn", [1, 2])
def test_a_database_is_empty(database_url: str, turn: int):
    engine = create_engine(database_url)
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (id INTEGER)"))
    engine.dispose()


def test_the_browser_starts(chromium: str):
    version = subprocess.run([chromium, "--version"], capture_output=True, check=True, text=True).stdout
    assert "Chrom" in version
