import gzip
import io
import random
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decompression import CHUNK, BrokenStreamError, Source, decompressed


def text(lines: int = 40_000) -> bytes:
    """Lines that compress as telemetry does, several blocks and chunks long."""
    chance = random.Random(7)
    return b"".join(b'{"event_id":"%d","latency_ms":%d}\n' % (i, chance.randrange(100_000)) for i in range(lines))


CONTENT = text()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESSORS: list[Callable[[bytes], bytes]] = [gzip.compress, zstd]


class Trickle:
    """A source that gives a few bytes at a time, as a slow pipe."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file = io.BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._size))


def read(source: Source | bytes) -> bytes:
    return b"".join(decompressed(io.BytesIO(source) if isinstance(source, bytes) else source))


def read_until_broken(data: bytes) -> tuple[bytes, str]:
    out = bytearray()
    pieces: Iterator[bytes] = decompressed(io.BytesIO(data))
    try:
        for piece in pieces:
            out += piece
    except BrokenStreamError as broken:
        return bytes(out), str(broken)
    pytest.fail("it was not broken")


def readable_gzip(data: bytes) -> bytes:
    """What zlib can make of the data, byte for byte."""
    decoder = zlib.decompressobj(wbits=31)
    out = bytearray()
    for at in range(len(data)):
        try:
            out += decoder.decompress(data[at : at + 1])
        except zlib.error:
            break
    return bytes(out)


@pytest.mark.parametrize("compress", [bytes, *COMPRESSORS])
def test_what_was_written_is_read(compress: Callable[[bytes], bytes]) -> None:
    assert read(compress(CONTENT)) == CONTENT


@pytest.mark.parametrize("compress", [bytes, *COMPRESSORS])
def test_a_pipe_that_gives_a_byte_at_a_time_is_read(compress: Callable[[bytes], bytes]) -> None:
    assert read(Trickle(compress(CONTENT[:5_000]), 1)) == CONTENT[:5_000]


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_several_members_or_frames_are_one_content(compress: Callable[[bytes], bytes]) -> None:
    assert read(compress(b"one\n") + compress(b"") + compress(b"two\n")) == b"one\ntwo\n"


def test_a_skippable_frame_is_skipped() -> None:
    skippable = b"\x53\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    assert read(skippable + zstd(b"one\n") + skippable + zstd(b"two\n")) == b"one\ntwo\n"


def test_a_frame_of_unknown_size_and_without_checksum_is_read() -> None:
    stream = zstandard.ZstdCompressor().compressobj()
    data = stream.compress(CONTENT) + stream.flush()
    assert read(data) == CONTENT


def test_what_repeats_a_single_byte_is_read() -> None:
    assert read(zstd(b"a" * 3_000_000)) == b"a" * 3_000_000


def test_incompressible_content_is_read() -> None:
    noise = random.Random(3).randbytes(400_000)
    assert read(zstd(noise)) == noise


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_no_piece_is_larger_than_a_chunk(compress: Callable[[bytes], bytes]) -> None:
    assert max(map(len, decompressed(io.BytesIO(compress(b"a" * 20_000_000))))) <= CHUNK


def test_zeros_after_gzip_data_are_padding() -> None:
    assert read(gzip.compress(b"one\n") + b"\0" * 512) == b"one\n"


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_rubbish_after_the_compressed_data_is_a_break(compress: Callable[[bytes], bytes]) -> None:
    out, why = read_until_broken(compress(b"one\n") + b"rubbish")
    assert out == b"one\n"
    assert "what follows" in why


@given(at=st.integers(2, len(gzip.compress(CONTENT[:60_000])) - 1))
def test_of_gzip_data_that_is_cut_off_everything_readable_is_read(at: int) -> None:
    data = gzip.compress(CONTENT[:60_000])[:at]
    out, why = read_until_broken(data)
    assert out == readable_gzip(data)
    assert "cut off" in why


@given(at=st.integers(20, len(gzip.compress(CONTENT[:60_000])) - 1))
def test_of_corrupt_gzip_data_everything_before_the_break_is_read(at: int) -> None:
    data = bytearray(gzip.compress(CONTENT[:60_000]))
    data[at] ^= 0xFF
    out, _ = read_until_broken(bytes(data))
    assert out == readable_gzip(bytes(data))


@given(at=st.integers(4, len(zstd(CONTENT)) - 1))
def test_of_zstd_data_that_is_cut_off_every_whole_block_is_read(at: int) -> None:
    out, why = read_until_broken(zstd(CONTENT)[:at])
    assert CONTENT.startswith(out)
    assert len(out) == len(CONTENT) or len(out) % (1 << 17) == 0
    # At most the block that was cut is missing: the share of the bytes read is the share of the content, about.
    assert len(out) >= len(CONTENT) * at / len(zstd(CONTENT)) - 2 * (1 << 17)
    assert "cut off" in why


def test_zstd_data_with_a_wrong_checksum_is_a_break_after_all_of_it() -> None:
    data = zstd(CONTENT)
    out, why = read_until_broken(data[:-1] + bytes([data[-1] ^ 1]))
    assert out == CONTENT
    assert "corrupt" in why


def test_gzip_data_with_a_wrong_checksum_is_a_break_after_all_of_it() -> None:
    data = bytearray(gzip.compress(CONTENT))
    data[-5] ^= 1
    out, why = read_until_broken(bytes(data))
    assert out == CONTENT
    assert "corrupt" in why


def test_a_break_costs_nothing_of_the_members_before_it() -> None:
    out, _ = read_until_broken(gzip.compress(b"one\n") + gzip.compress(CONTENT)[:30])
    assert out.startswith(b"one\n")


@pytest.mark.parametrize("data", [b"", b"\x1f", b"{}", b"\n"])
def test_what_is_not_compressed_is_read_as_it_is(data: bytes) -> None:
    assert read(data) == data
