"""Uploads that go past the functions: begun, signed part by part, resumed, completed or aborted.

Knows no family: each says where its file goes, and finds only the uploads of its own purpose.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING

from audioapi import settings
from audioapi.problems import (
    ConflictError,
    FileTooLargeError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)
from audioapi.uploads import parts, store
from audioapi.uploads.models import Status, Upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audioapi.identity import Principal
    from audioapi.problems import AudioApiError
    from audioapi.uploads.models import File, Part, ReceivedPart, SignedPart

LIFETIME_SECONDS = 24 * 3600
"""After a day the bucket's lifecycle removes what was not completed."""
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_MISSING_SHOWN = 100
_COMPLETING_SECONDS = 10
"""S3 may take minutes for a large file.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""


def begin(caller: Principal, file: File) -> Upload:
    """A new upload, which expires in a day.

    Raises FileTooLargeError, and ConflictError if there is something at the file's key. A crash
    between the two writes leaves a multipart upload without parts, which the lifecycle removes.
    """
    FileTooLargeError.check(file.size, settings.uploads().max_file_size_mb, field="file_size")
    if parts.is_taken(file.key):
        raise _taken()
    upload_id = secrets.token_hex(16)
    upload = Upload(
        upload_id=upload_id,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        file=file,
        s3_upload_id=parts.begin(upload_id, file),
        expires_at=int(time.time()) + LIFETIME_SECONDS,
    )
    store.add(upload)
    return upload


def find(caller: Principal, upload_id: str, *, purpose: str) -> Upload:
    """The caller's upload. NotFoundError for one that is somebody else's, another family's, or has
    expired: the answer is the same.
    """
    found = store.get(upload_id) if _UPLOAD_ID.fullmatch(upload_id) else None
    if found is None or not _may_see(caller, found, purpose) or _has_expired(found):
        raise _not_found()
    return found


def sign(
    upload: Upload,
    wanted: Sequence[Part],
    *,
    malformed: type[InvalidRequestError] = UnprocessableError,
) -> list[SignedPart]:
    """Where the parts go. Raises `malformed` for a part that the file doesn't have, and
    ConflictError unless the upload is UPLOADING.
    """
    if upload.status is not Status.UPLOADING:
        raise _wrong_state(upload)
    for index, part in enumerate(wanted):
        if part.part_number > upload.part_count:
            field = f"parts.{index}.part_number"
            raise malformed(f"{field}: 1 to {upload.part_count}", field=field)
    return [parts.sign(upload, part) for part in wanted]


def received(upload: Upload) -> list[ReceivedPart]:
    """The parts that have arrived, in order; none once the upload is UPLOADING no more."""
    if upload.status is not Status.UPLOADING:
        return []
    try:
        return parts.received(upload)
    except parts.GoneError as error:
        raise _not_found() from error


def complete(upload: Upload) -> Upload:
    """The upload, its file whole at its key. A second call gives the same, also after a crash
    between S3's completion and ours: the object itself tells which upload made it.

    Raises ConflictError with `missing_parts`, or if the key was taken meanwhile, and
    UnavailableError while another request has S3 put the parts together, which may take minutes:
    its outcome is this one's, too.
    """
    if upload.status is Status.COMPLETED:
        return upload
    if upload.status is Status.ABORTED:
        raise _wrong_state(upload)
    try:
        _assemble(upload)
    except (parts.GoneError, parts.KeyTakenError) as refusal:
        if not parts.is_assembled(upload):
            raise _refused(upload, refusal) from refusal
    except parts.BusyError as error:
        raise _being_completed() from error
    except parts.PartReplacedError as error:
        raise UnavailableError("A part was sent again meanwhile", retry_after=1) from error
    return _moved(upload, Status.COMPLETED)


def _refused(upload: Upload, refusal: Exception) -> AudioApiError:
    if isinstance(refusal, parts.KeyTakenError):
        store.move(upload.upload_id, Status.UPLOADING)
        return _taken()
    begun = upload.status is Status.COMPLETING  # by a request that may still wait for S3
    return _being_completed() if begun and time.time() < upload.expires_at else _not_found()


def _being_completed() -> UnavailableError:
    return UnavailableError("The upload is being completed", retry_after=_COMPLETING_SECONDS)


def abort(upload: Upload) -> Upload:
    """The upload, its parts removed; harmless twice. ConflictError once it is being completed."""
    aborted = _moved(upload, Status.ABORTED)
    parts.remove(upload)
    return aborted


def _assemble(upload: Upload) -> None:
    arrived = parts.received(upload)
    if missing := _missing(upload, arrived):
        raise ConflictError(
            f"{len(missing)} of {upload.part_count} parts have not arrived whole",
            missing_parts=missing[:_MISSING_SHOWN],
        )
    _moved(upload, Status.COMPLETING)
    parts.assemble(upload, arrived)


def _missing(upload: Upload, arrived: Sequence[ReceivedPart]) -> list[int]:
    sizes = {part.part_number: part.size for part in arrived}
    numbers = range(1, upload.part_count + 1)
    return [number for number in numbers if sizes.get(number) != upload.size_of(number)]


def _moved(upload: Upload, to: Status) -> Upload:
    """Raises ConflictError if another request was faster, and led elsewhere."""
    moved = store.move(upload.upload_id, to)
    if moved is None:
        raise _wrong_state(store.get(upload.upload_id) or upload)
    return moved


def _may_see(caller: Principal, upload: Upload, purpose: str) -> bool:
    owner = (upload.organization_id, upload.user_id, upload.file.purpose)
    return owner == (caller.organization_id, caller.user_id, purpose)


def _has_expired(upload: Upload) -> bool:
    return upload.status is Status.UPLOADING and time.time() >= upload.expires_at


def _not_found() -> NotFoundError:
    return NotFoundError("Upload not found")


def _taken() -> ConflictError:
    return ConflictError("There is a file of this name already; nothing was overwritten")


def _wrong_state(upload: Upload) -> ConflictError:
    return ConflictError(f"The upload is {upload.status}", upload_status=upload.status)
