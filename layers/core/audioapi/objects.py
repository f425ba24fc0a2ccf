"""S3: small objects written once, many read in order, large ones uploaded part by part."""

from __future__ import annotations

import secrets
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_s3 import S3Client

READ_AHEAD = 16
PRESIGNED_SECONDS = 3600
_MISSING = ("NoSuchKey", "404", "AccessDenied", "403")
"""What S3 says of a missing object, the latter two to whoever may not list; the numbers to HEAD,
whose answer has no body. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""
_MARK = "mark"
_MOST_DELETED = 1000
_BLOCK_BYTES = 1024 * 1024
_RESETS_IN_A_ROW = 5


@cache
def client() -> S3Client:
    # Without these two, boto3 signs URLs the old way (SigV2, global host), which newer regions
    # refuse. https://docs.aws.amazon.com/AmazonS3/latest/userguide/sigv4-query-string-auth.html
    return boto3.client(
        "s3",
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "virtual"},
            max_pool_connections=READ_AHEAD,
        ),
    )


class TakenError(Exception):
    """There is another object of that key, of other bytes."""


def put_once(bucket: str, key: str, data: bytes) -> bool:
    """Stores `data` unless it is there; whether it was stored by this call. Durable when it
    returns. Raises TakenError if the key has other bytes.

    An answer may be lost: then the SDK asks again, and finds the object. A mark tells whose it is.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    mark = secrets.token_urlsafe(8)
    while True:
        try:
            client().put_object(
                Bucket=bucket, Key=key, Body=data, IfNoneMatch="*", Metadata={_MARK: mark}
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "PreconditionFailed":
                return _is_ours(bucket, key, data, mark)
            if code != "ConditionalRequestConflict":  # a race that S3 asks to be tried again
                raise
        else:
            return True


def _is_ours(bucket: str, key: str, data: bytes, mark: str) -> bool:
    found = client().get_object(Bucket=bucket, Key=key)
    if found["Body"].read() != data:
        raise TakenError(key)
    return found["Metadata"].get(_MARK) == mark


def put(bucket: str, key: str, data: bytes, *, content_type: str) -> None:
    """Stores `data`, in place of what was there. Durable when it returns."""
    client().put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)


@contextmanager
def uploads(
    bucket: str, *, at_once: int, content_type: str
) -> Iterator[Callable[[str, bytes], None]]:
    """`put` for many objects while something else is done: up to `at_once` are on their way, and
    the next one waits for the first. All are durable when the block ends; a failure is raised.
    """
    going: deque[Future[None]] = deque()
    with ThreadPoolExecutor(at_once) as pool:

        def upload(key: str, data: bytes) -> None:
            if len(going) == at_once:
                going.popleft().result()
            going.append(pool.submit(put, bucket, key, data, content_type=content_type))

        try:
            yield upload
            for sent in going:
                sent.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def is_missing(error: ClientError) -> bool:
    """Whether S3 said that there is no such object."""
    return error.response["Error"]["Code"] in _MISSING


def exists(bucket: str, key: str) -> bool:
    try:
        client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True


def delete_all(bucket: str, prefix: str) -> None:
    """Removes all objects under `prefix`. Lists until nothing is left, and twice at least: one may
    be listed late, or be written behind the list.
    """
    while delete_many(bucket, keys(bucket, prefix)):
        pass
    delete_many(bucket, keys(bucket, prefix))


def delete_many(bucket: str, doomed: Iterable[str]) -> int:
    """Removes objects, a thousand at a time: how many. Those that don't exist are no failure."""
    remaining, count = iter(doomed), 0
    while batch := list(islice(remaining, _MOST_DELETED)):
        deleted = client().delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
        )
        if errors := deleted.get("Errors"):
            raise RuntimeError(f"{len(errors)} objects not deleted, the first: {errors[0]}")
        count += len(batch)
    return count


def sizes(bucket: str, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
    """Keys and bytes under `prefix`, in order, from the first key that sorts behind `after`."""
    pages = client().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix, StartAfter=after):
        for entry in page.get("Contents", ()):
            yield entry["Key"], entry["Size"]


def keys(bucket: str, prefix: str, *, after: str = "") -> Iterator[str]:
    """The same keys alone."""
    return (key for key, _ in sizes(bucket, prefix, after=after))


def read(bucket: str, key: str, *, byte_range: str | None = None) -> bytes:
    """An object, or the part of it that a Range header's value names."""
    part: Any = {"Range": byte_range} if byte_range else {}
    return client().get_object(Bucket=bucket, Key=key, **part)["Body"].read()


def stream(bucket: str, key: str, *, etag: str | None = None) -> Iterator[bytes]:
    """An object's bytes in blocks, all of one version. A connection that drops costs another
    request: what reads slowly, as a decoder does, outlasts a connection.
    """
    at, resets, total = 0, 0, 1
    while at < total:
        wanted: Any = {"IfMatch": etag} if etag else {}
        if at:
            wanted["Range"] = f"bytes={at}-"
        found = client().get_object(Bucket=bucket, Key=key, **wanted)
        etag, total = found["ETag"], at + found["ContentLength"]
        try:
            for block in found["Body"].iter_chunks(_BLOCK_BYTES):
                at, resets = at + len(block), 0
                yield block
        except BotoCoreError as error:
            resets += 1
            if resets == _RESETS_IN_A_ROW:
                raise
            logger.info("connection to S3 dropped", reason=type(error).__name__, at=at)


def put_file(
    bucket: str, key: str, file: IO[bytes], *, content_type: str = "application/octet-stream"
) -> None:
    """Stores what `file` holds, from its start."""
    file.seek(0)
    client().put_object(Bucket=bucket, Key=key, Body=file, ContentType=content_type)


def read_in_order(
    bucket: str, wanted: Iterable[str], *, ahead: int = READ_AHEAD, gone_ok: bool = False
) -> Iterator[bytes]:
    """The objects' bytes in the order of `wanted`, up to `ahead` of them fetched ahead; of one that
    is gone none, if that is `gone_ok`.
    """
    remaining, fetch = iter(wanted), _read_if_there if gone_ok else read
    with ThreadPoolExecutor(ahead) as pool:
        fetched: deque[Future[bytes]] = deque()
        try:
            fetched.extend(pool.submit(fetch, bucket, key) for key in islice(remaining, ahead))
            while fetched:
                data = fetched.popleft().result()
                fetched.extend(pool.submit(fetch, bucket, key) for key in islice(remaining, 1))
                yield data
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_if_there(bucket: str, key: str) -> bytes:
    try:
        return read(bucket, key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise  # who may not read it says nothing of whether it is there
        logger.error("an object is gone", key=key)
        return b""


def upload_parts(
    bucket: str, key: str, parts: Iterable[tuple[int, bytes]], *, content_type: str
) -> None:
    """One object of numbered parts, which may come in any order. It appears whole when the last
    one is in, or not at all; what was uploaded of a failed one is removed.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    """
    upload = client().create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
    upload_id = upload["UploadId"]
    try:
        etags = {
            number: client().upload_part(
                Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )["ETag"]
            for number, data in parts
        }
        client().complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]},
        )
    except BaseException:
        client().abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise


def presigned_url(
    bucket: str, key: str, *, seconds: int = PRESIGNED_SECONDS, head_only: bool = False
) -> str:
    """A URL that reads the object for `seconds`, or what HEAD tells of it: a signature is for one
    method. It dies earlier with the signing credentials.
    """
    return client().generate_presigned_url(
        "head_object" if head_only else "get_object",
        Params={"Bucket": bucket, "Key": key},
        ExpiresIn=seconds,
    )
