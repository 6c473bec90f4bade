"""Published builds: only what the publisher's checksum vouches for is kept."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from dfmc.errors import IntegrityError, UnreachableError
from dfmc.testbed.binaries import BY_NAME, PROGRAMS, BinaryCache, build, ensure
from dfmc.testbed.binaries import download as downloads
from dfmc.testbed.binaries.catalogue import Download
from dfmc.testbed.binaries.download import fetch, internet_answers, published_sha256

CONTENT = b"a program"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def archive(member: str, content: bytes = CONTENT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def served(server: HTTPServer, content: bytes, checksum: str, member: str = "") -> Download:
    server.expect_request("/tool").respond_with_data(content)
    server.expect_request("/tool.sha256").respond_with_data(checksum)
    return Download(server.url_for("/tool"), server.url_for("/tool.sha256"), member)


@pytest.mark.parametrize("checksum", [SHA256, SHA256.upper() + "\n", f"{SHA256}  tool\n", f"0 x\n{SHA256} *./tool\n"])
def test_a_binary_with_its_checksum_is_kept(httpserver: HTTPServer, tmp_path: Path, checksum: str) -> None:
    assert fetch(served(httpserver, CONTENT, checksum), tmp_path).read_bytes() == CONTENT


def test_a_program_is_taken_out_of_its_archive(httpserver: HTTPServer, tmp_path: Path) -> None:
    packed = archive("linux/tool")
    download = served(httpserver, packed, hashlib.sha256(packed).hexdigest(), "linux/tool")
    assert fetch(download, tmp_path).read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_other_content_than_the_checksum_says_is_thrown_away(httpserver: HTTPServer, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="expected sha256"):
        fetch(served(httpserver, b"something else", SHA256), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_the_program_is_refused(httpserver: HTTPServer, tmp_path: Path) -> None:
    packed = archive("linux/other")
    with pytest.raises(IntegrityError, match="archive holds no linux/tool"):
        fetch(served(httpserver, packed, hashlib.sha256(packed).hexdigest(), "linux/tool"), tmp_path)


def test_a_checksum_file_that_does_not_name_the_program_is_refused() -> None:
    with pytest.raises(IntegrityError, match="names no tool"):
        published_sha256(f"{SHA256}  another\n", "tool")


def test_a_missing_checksum_is_unreachable(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/tool").respond_with_data(CONTENT)
    with pytest.raises(UnreachableError):
        fetch(Download(httpserver.url_for("/tool"), httpserver.url_for("/none")), tmp_path)


def test_the_internet_is_probed_within_seconds(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", status=403)
    assert internet_answers(httpserver.url_for("/"))
    assert not internet_answers("http://127.0.0.1:9/")


def test_ensure_downloads_what_is_published(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, lines = BinaryCache(tmp_path), list[str]()
    monkeypatch.setattr(build, "internet_answers", lambda: True)
    monkeypatch.setattr(build, "fetch", lambda download, directory: _fetched(directory))
    ensure(["kubectl"], cache, lines.append)
    assert lines == [f"[1/1] downloading kubectl {BY_NAME['kubectl'].version} (seconds, once)"]
    assert cache.path("kubectl").read_bytes() == CONTENT


def test_every_download_can_be_checked_and_addressed() -> None:
    for program in PROGRAMS:
        if program.download:
            assert program.download.checksum_url
            assert "{arch}" in program.download.url
            assert program.version in program.download.url
    assert downloads.go_architecture() in ("amd64", "arm64")


def _fetched(directory: Path) -> Path:
    file = directory / "got"
    file.write_bytes(CONTENT)
    return file
