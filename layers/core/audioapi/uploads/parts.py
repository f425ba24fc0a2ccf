"""The bytes of uploads: S3's multipart uploads, whose parts callers send to S3 themselves.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audioapi import objects, settings
from audioapi.uploads.models import ReceivedPart, SignedPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from audioapi.uploads.models import File, Part, Upload

_OWNER = "upload-id"
"""The object's metadata that tells which upload made it."""


class GoneError(Exception):
    """S3 knows the multipart upload no more: it was completed, aborted, or has expired."""


class KeyTakenError(Exception):
    """There is an object at the upload's key. It was left alone."""


class BusyError(Exception):
    """An object is just being made at the upload's key, by this upload or by another one."""


class PartReplacedError(Exception):
    """A part was sent again after the parts were listed."""


_REFUSALS: dict[str, type[Exception]] = {
    "NoSuchUpload": GoneError,
    "PreconditionFailed": KeyTakenError,
    "ConditionalRequestConflict": BusyError,
    "InvalidPart": PartReplacedError,
}


def begin(upload_id: str, file: File) -> str:
    """S3's id of a new multipart upload."""
    begun = objects.client().create_multipart_upload(
        Bucket=_bucket(),
        Key=file.key,
        ContentType=file.content_type,
        ChecksumAlgorithm="SHA256",
        Metadata={_OWNER: upload_id},
    )
    return begun["UploadId"]


def sign(upload: Upload, part: Part) -> SignedPart:
    """An address that takes this part and no other: its length and its checksum are signed, so S3
    refuses what is longer, shorter or damaged. That is what bounds the size of an upload.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/sigv4-query-string-auth.html
    """
    size = upload.size_of(part.part_number)
    expires_at = datetime.now(UTC) + timedelta(seconds=objects.PRESIGNED_SECONDS)
    url = objects.client().generate_presigned_url(
        "upload_part",
        Params={
            **_multipart(upload),
            "PartNumber": part.part_number,
            "ContentLength": size,
            "ChecksumSHA256": part.checksum_sha256,
        },
        ExpiresIn=objects.PRESIGNED_SECONDS,
    )
    return SignedPart(
        part_number=part.part_number,
        url=url,
        headers={"content-length": str(size), "x-amz-checksum-sha256": part.checksum_sha256},
        expires_at=expires_at.replace(microsecond=0),
    )


def received(upload: Upload) -> list[ReceivedPart]:
    """The parts that S3 has, in order; raises GoneError."""
    with _refusals():
        pages = objects.client().get_paginator("list_parts").paginate(**_multipart(upload))
        return [_received(part) for page in pages for part in page.get("Parts", ())]


def assemble(upload: Upload, parts: Sequence[ReceivedPart]) -> None:
    """Makes the object of all parts, if there is none at its key.

    Raises GoneError, KeyTakenError, BusyError or PartReplacedError.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    with _refusals():
        objects.client().complete_multipart_upload(
            **_multipart(upload),
            MultipartUpload={"Parts": [_named(part) for part in parts]},
            MpuObjectSize=upload.file.size,
            IfNoneMatch="*",
        )


def is_assembled(upload: Upload) -> bool:
    """Whether the object at the upload's key is the one that this upload made."""
    if not is_taken(upload.file.key):
        return False
    found = objects.client().head_object(Bucket=_bucket(), Key=upload.file.key)
    return found["Metadata"].get(_OWNER) == upload.upload_id


def is_taken(key: str) -> bool:
    """Whether there is an object at `key`, which would be the first that is listed. HeadObject
    can't tell what isn't there from what may not be seen, where only a prefix may be listed.
    """
    return next(objects.keys(_bucket(), key), None) == key


def remove(upload: Upload) -> None:
    """Removes what has arrived; harmless if there is nothing. A part that is on its way may still
    arrive: the bucket's lifecycle removes that one.
    """
    try:
        objects.client().abort_multipart_upload(**_multipart(upload))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchUpload":
            raise


def _bucket() -> str:
    return settings.uploads().audio_bucket


def _multipart(upload: Upload) -> dict[str, Any]:
    return {"Bucket": _bucket(), "Key": upload.file.key, "UploadId": upload.s3_upload_id}


def _received(listed: Any) -> ReceivedPart:
    return ReceivedPart(
        part_number=listed["PartNumber"],
        size=listed["Size"],
        checksum_sha256=listed.get("ChecksumSHA256"),
        etag=listed["ETag"],
    )


def _named(part: ReceivedPart) -> Any:
    named = {"PartNumber": part.part_number, "ETag": part.etag}
    return {**named, "ChecksumSHA256": part.checksum_sha256} if part.checksum_sha256 else named


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        refusal = _REFUSALS.get(error.response["Error"]["Code"])
        if refusal is None:
            raise
        raise refusal from error
