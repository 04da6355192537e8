"""An object store that speaks S3 over HTTP, on a loopback port, for as long as a block runs."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import boto3
import httpx
from moto.server import ThreadedMotoServer

from adloom.loop.settings.pictures import PicturesSettings

_LOGIN = {"AWS_ACCESS_KEY_ID": "of-tests", "AWS_SECRET_ACCESS_KEY": "of-tests"}
_REGION = "us-east-1"


class S3Server:
    """A threaded server of this process."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
        os.environ.update(_LOGIN | {"AWS_DEFAULT_REGION": _REGION})
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it; what it held is lost."""
        self._server.stop()

    @property
    def login(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return _LOGIN | {"AWS_DEFAULT_REGION": _REGION}

    def new_place(self, port: int | None = None) -> PicturesSettings:
        """Settings of an empty bucket, reached through another port where one is given."""
        bucket = f"shop-{uuid.uuid4().hex}"
        self._client().create_bucket(Bucket=bucket)
        endpoint = self.url if port is None else f"http://127.0.0.1:{port}"
        told = {"url": f"s3://{bucket}/pictures", "endpoint_url": endpoint}
        return PicturesSettings.model_validate(told)

    def objects(self, place: PicturesSettings) -> dict[str, bytes]:
        """All that lies at a place, by key."""
        client, (bucket, _) = self._client(), _bucket(place)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def write(self, place: PicturesSettings, key: str, content: bytes) -> None:
        """Over what is there."""
        self._client().put_object(Bucket=_bucket(place)[0], Key=key, Body=content)

    def remove(self, place: PicturesSettings, key: str) -> None:
        """An object."""
        self._client().delete_object(Bucket=_bucket(place)[0], Key=key)

    def media_type(self, place: PicturesSettings, key: str) -> str:
        """What an object says that it is."""
        told: str = self._client().head_object(Bucket=_bucket(place)[0], Key=key)["ContentType"]
        return told

    @contextmanager
    def as_reader(self) -> Iterator[None]:
        """This process logs in as somebody who may list and read, and rights count, for the block.

        What the server's other methods do comes before.
        """
        iam = boto3.client("iam", endpoint_url=self.url, region_name=_REGION)
        iam.create_user(UserName="reader")
        may = {"Effect": "Allow", "Action": ["s3:List*", "s3:Get*", "s3:Head*"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=policy)
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        reset = f"{self.url}/moto-api/reset-auth"
        httpx.post(reset, content="0").raise_for_status()
        os.environ["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
        os.environ["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
        try:
            yield
        finally:
            os.environ.update(_LOGIN)
            httpx.post(reset, content="inf").raise_for_status()

    def _client(self) -> boto3.client:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id=_LOGIN["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_LOGIN["AWS_SECRET_ACCESS_KEY"],
        )


def _bucket(place: PicturesSettings) -> tuple[str, str]:
    assert place.url is not None
    parts = urlsplit(place.url)
    return parts.netloc, parts.path.strip("/")


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """A server without buckets."""
    server = S3Server()
    try:
        yield server
    finally:
        server.close()
