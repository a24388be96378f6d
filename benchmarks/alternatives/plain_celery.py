"""A Celery task for each image, on a prefork pool with a process for each core.

    celery -A benchmarks.alternatives.plain_celery worker --pool prefork --concurrency 2

Each process has its own network (one thread), S3 client and database connection. A task reads its source from S3,
writes both results there and one row to SQL.
"""

import os
from typing import Any

import boto3
import psycopg
import torch
from celery import Celery, signals

from benchmarks.alternatives.one_image import segment
from benchmarks.predictors import shipped
from shared.config import load_settings

BUCKET = "benchmark"
TABLE = "CREATE TABLE IF NOT EXISTS plain_celery (key text, mask text, probability text, finished_at timestamptz)"
_ROW = "INSERT INTO plain_celery VALUES (%s, %s, %s, clock_timestamp())"

# The same Redis as the product's, another queue.
app = Celery("plain", broker=os.environ.get("BROKER_URL"))
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=4, task_default_queue="plain")

_process: dict[str, Any] = {}


@signals.worker_process_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def prepare(**_: object) -> None:
    """Load what a process of the pool needs."""
    settings = load_settings()
    torch.set_num_threads(1)
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if key is None or secret is None:
        raise RuntimeError("no keys for S3")
    _process["predictor"] = shipped()
    _process["s3"] = boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name=settings.aws_region or "us-east-1",
        aws_access_key_id=key.get_secret_value(), aws_secret_access_key=secret.get_secret_value(),
    )  # fmt: skip
    _process["sql"] = psycopg.connect(settings.database.replace("+psycopg", ""), autocommit=True)


@app.task(name="segment_one")  # type: ignore[untyped-decorator,unused-ignore]
def segment_one(key: str) -> None:
    """One image from S3 to S3, and its row."""
    s3 = _process["s3"]
    data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    results = segment(_process["predictor"], data)
    names = [f"plain/{kind}/{key}" for kind in ("mask", "prob")]
    for name, result in zip(names, results, strict=True):
        s3.put_object(Bucket=BUCKET, Key=name, Body=result)
    _process["sql"].execute(_ROW, (key, *names))
