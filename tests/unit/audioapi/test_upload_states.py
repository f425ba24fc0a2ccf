"""How files are cut into parts, up to the largest, and which states an upload goes through."""

from __future__ import annotations

import pytest

from audioapi.uploads.models import PART_SIZE, File, Status, Upload

MIB = 1024 * 1024
GIB = 1024 * MIB


def upload(size: int) -> Upload:
    file = File(
        purpose="recording",
        key="recordings/acme-corp/dev-user/talk.wav",
        name="talk.wav",
        size=size,
        content_type="audio/wav",
    )
    return Upload(
        upload_id="7d1f0c5a9be24e83a6c1d20f4b8e9a37",
        organization_id="acme-corp",
        user_id="dev-user",
        file=file,
        s3_upload_id="s3",
        expires_at=1795338000,
    )


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (1, 1),
        (PART_SIZE - 1, 1),
        (PART_SIZE, 1),
        (PART_SIZE + 1, 2),
        (5 * GIB - 1, 640),
        (5 * GIB, 640),
        (5 * GIB + 1, 641),
    ],
)
def test_parts_make_up_the_file(size: int, count: int) -> None:
    cut = upload(size)
    sizes = [cut.size_of(number) for number in range(1, cut.part_count + 1)]
    assert (cut.part_count, sum(sizes)) == (count, size)
    assert set(sizes[:-1]) <= {PART_SIZE}
    assert 1 <= sizes[-1] <= PART_SIZE


def test_s3_takes_such_parts() -> None:
    assert PART_SIZE >= 5 * MIB
    assert upload(5 * GIB).part_count <= 10_000


def test_an_upload_ends_completed_or_aborted() -> None:
    led_to = {
        state: {to for to in Status if state in to.reached_from and to is not state}
        for state in Status
    }
    assert led_to == {
        Status.UPLOADING: {Status.COMPLETING, Status.ABORTED},
        Status.COMPLETING: {Status.UPLOADING, Status.COMPLETED},
        Status.COMPLETED: set(),
        Status.ABORTED: set(),
    }


@pytest.mark.parametrize("state", [Status.COMPLETING, Status.COMPLETED, Status.ABORTED])
def test_what_is_asked_twice_is_harmless(state: Status) -> None:
    assert state in state.reached_from
