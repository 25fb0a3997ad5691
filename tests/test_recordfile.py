import gzip
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recordfile import LONGEST, InputFault, RecordFiles
from pipeline.records import RecordBatch


def written(folder: Path, data: bytes, name: str = "records") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def read(*names: str) -> tuple[list[tuple[int, bytes]], list[InputFault]]:
    """Lines with their numbers, and faults."""
    files = RecordFiles(names)
    return [pair for batch in files for pair in zip(batch.positions, batch.values, strict=True)], files.faults


def test_a_line_is_a_record_with_its_number(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"a\nb\n")) == ([(1, b"a"), (2, b"b")], [])


def test_the_last_line_needs_no_line_feed(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"a\nb"))[0] == [(1, b"a"), (2, b"b")]


def test_blank_lines_are_no_records_but_count(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"\na\n \t\n\r\n\nb\n\n"))[0] == [(2, b"a"), (6, b"b")]


def test_a_byte_order_mark_at_the_start_is_skipped(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"\xef\xbb\xbfa\nb\n"))[0] == [(1, b"a"), (2, b"b")]


def test_a_byte_order_mark_of_compressed_content_is_skipped(tmp_path: Path) -> None:
    assert read(written(tmp_path, gzip.compress(b"\xef\xbb\xbfa\n")))[0] == [(1, b"a")]


def test_a_byte_order_mark_elsewhere_stays(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"a\n\xef\xbb\xbfb\n"))[0] == [(1, b"a"), (2, b"\xef\xbb\xbfb")]


def test_a_file_that_holds_nothing_but_a_byte_order_mark_is_empty(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"\xef\xbb\xbf")) == ([], [])


def test_an_empty_file_has_no_records_and_no_faults(tmp_path: Path) -> None:
    assert read(written(tmp_path, b"")) == ([], [])


def test_files_follow_in_the_order_given_each_with_its_own_numbers(tmp_path: Path) -> None:
    first, second = written(tmp_path, b"a\nb", "1"), written(tmp_path, b"c\n", "2")
    batches = list(RecordFiles([second, first]))
    assert [(batch.origin, at) for batch in batches for at in batch.positions] == [(second, 1), (first, 1), (first, 2)]
    assert [value for batch in batches for value in batch.values] == [b"c", b"a", b"b"]


def test_a_missing_file_is_a_fault_and_the_others_are_read(tmp_path: Path) -> None:
    lines, faults = read(written(tmp_path, b"a\n", "1"), str(tmp_path / "none"), written(tmp_path, b"b\n", "2"))
    assert [line for _, line in lines] == [b"a", b"b"]
    assert [str(fault) for fault in faults] == [f"{tmp_path}/none: cannot be read: No such file or directory"]


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    lines, faults = read(str(tmp_path))
    assert lines == []
    assert [fault.reason for fault in faults] == ["cannot be read: Is a directory"]


def test_what_a_cut_off_file_holds_is_read_and_the_fault_says_how_far(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b"line %d\n" % i for i in range(20_000)))
    lines, faults = read(written(tmp_path, data[: len(data) // 2]), written(tmp_path, b"after\n", "next"))
    assert len(lines) > 5_000
    assert lines[0] == (1, b"line 0")
    assert lines[-1] == (1, b"after")
    assert [fault.lines for fault in faults] == [len(lines) - 1]
    assert "cut off, after line" in str(faults[0])


def test_compression_is_recognised_by_content_whatever_the_name(tmp_path: Path) -> None:
    names = [
        written(tmp_path, gzip.compress(b"a\n"), "x.zst"),
        written(tmp_path, zstandard.compress(b"b\n"), "x.ndjson"),
        written(tmp_path, b"c\n", "x.gz"),
    ]
    assert [line for _, line in read(*names)[0]] == [b"a", b"b", b"c"]


def test_a_line_over_the_limit_is_handed_out_cut_just_over_it(tmp_path: Path) -> None:
    long = b"x" * (3 * LONGEST + 17)
    lines, _ = read(written(tmp_path, b"a\n" + long + b"\nb\n" + long))
    assert [(at, len(line)) for at, line in lines] == [(1, 1), (2, LONGEST + 1), (3, 1), (4, LONGEST + 1)]


def test_a_line_at_the_limit_is_whole(tmp_path: Path) -> None:
    lines, _ = read(written(tmp_path, b"a\n" + b"x" * LONGEST + b"\nb\n"))
    assert [len(line) for _, line in lines] == [1, LONGEST, 1]


def test_a_long_line_of_nothing_but_spaces_is_blank(tmp_path: Path) -> None:
    assert read(written(tmp_path, b" " * (2 * LONGEST) + b"\nb\n"))[0] == [(2, b"b")]


def test_standard_input_is_called_by_its_dash(tmp_path: Path) -> None:
    with open(written(tmp_path, zstandard.compress(b"a\nb\n")), "rb") as file:
        saved = os.dup(0)
        try:
            os.dup2(file.fileno(), 0)
            batches = list(RecordFiles(["-"]))
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    assert batches == [RecordBatch("-", range(1, 3), [b"a", b"b"])]


def test_a_name_that_is_no_utf8_can_still_be_written_down(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(name).write_bytes(b"a\n")
    assert [batch.origin for batch in RecordFiles([name])] == [f"{tmp_path}/caf�"]


def test_the_size_is_known_beforehand_but_of_standard_input(tmp_path: Path) -> None:
    name = written(tmp_path, b"abc\n")
    assert RecordFiles([name, name]).size() == 8
    assert RecordFiles([name, "-"]).size() is None
    assert RecordFiles([name, str(tmp_path / "none")]).size() is None


def test_bytes_read_come_to_the_size(tmp_path: Path) -> None:
    files = RecordFiles([written(tmp_path, gzip.compress(b"a\n" * 10_000))])
    list(files)
    assert files.bytes_read == files.size()


def test_batches_are_of_a_few_thousand_lines(tmp_path: Path) -> None:
    files = RecordFiles([written(tmp_path, b"a\n" * 10_000)])
    assert [len(batch.values) for batch in files] == [4_000, 4_000, 2_000]


@given(lines=st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")), max_size=12))
def test_any_lines_are_read_as_splitting_them_says(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = b"!" + b"\n".join(lines)  # so that it begins neither as gzip nor with a byte-order mark
    found, _ = read(written(tmp_path_factory.getbasetemp(), data, "any"))
    assert found == [(at, line) for at, line in enumerate(data.split(b"\n"), 1) if line.strip()]
