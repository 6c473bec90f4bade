import asyncio
import hashlib
import io
import os
import stat
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from pytest_httpserver import HTTPServer

from dfmc.clients.chart import ChartRepository
from dfmc.clients.chart_archive import MAX_ARCHIVE
from dfmc.clients.chart_download import MAX_REDIRECTS
from dfmc.clients.chart_index import built_in_digests, nearest_versions, refuse_url
from dfmc.clients.protocols import ChartArchive, ChartSource
from dfmc.errors import AuthError, DfmcError, IntegrityError, PreflightError, UnreachableError
from dfmc.topology.model import OFFICIAL_REPOSITORY
from scenarios import scenario
from shared_material import shared_material

REPOSITORY = "https://charts.example/stable"
CHART_YAML = b'apiVersion: v2\nname: dragonfly\nversion: 9.7.4\nappVersion: "2.5.0"\n'


def archive(entries: dict[str, bytes] | None = None, members: Sequence[tarfile.TarInfo] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in (entries or {"dragonfly/Chart.yaml": CHART_YAML, "dragonfly/values.yaml": b"{}"}).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return buffer.getvalue()


CHART = archive()
DIGEST = hashlib.sha256(CHART).hexdigest()


def index(*versions: str, digest: str | None = DIGEST, urls: Sequence[str] = ("dragonfly-9.7.4.tgz",)) -> bytes:
    rows = [
        {"name": "dragonfly", "version": v, "urls": list(urls), **({"digest": digest} if digest else {})}
        for v in versions or ("9.7.4",)
    ]
    return yaml.safe_dump({"apiVersion": "v1", "entries": {"dragonfly": rows, "other": []}}).encode()


Answer = httpx2.Response | Exception | bytes | int


class Web:
    """Answers by address and counts; an address that nobody made is a failure of the test."""

    def __init__(self, pages: dict[str, Answer | list[Answer]]) -> None:
        self.pages = pages
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        page = self.pages[str(request.url)]
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        if isinstance(page, Exception):
            raise page
        if isinstance(page, bytes):
            return httpx2.Response(200, stream=httpx2.ByteStream(page))
        if isinstance(page, int):
            return httpx2.Response(page)
        return httpx2.Response(page.status_code, headers=page.headers)

    @property
    def asked(self) -> list[str]:
        return [str(r.url) for r in self.requests]


def a_repository(**pages: Any) -> Web:
    return Web(
        {
            f"{REPOSITORY}/index.yaml": pages.get("index", index()),
            f"{REPOSITORY}/dragonfly-9.7.4.tgz": pages.get("archive", CHART),
        }
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "charts"


def source(web: Web, cache: Path | None, **options: Any) -> ChartRepository:
    async def no_wait(seconds: float) -> None:
        assert 0 < seconds < 60

    return ChartRepository(transport=httpx2.MockTransport(web), **{"cache": cache, "sleep": no_wait, **options})


def fetch(charts: ChartRepository, **changes: Any) -> ChartArchive:
    wanted = {"repository": REPOSITORY, "path": None, "name": "dragonfly", "version": "9.7.4", "sha256": None}
    return asyncio.run(charts.fetch(**{**wanted, **changes}))


def kept(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.iterdir()) if cache.is_dir() else []


def test_it_is_a_chart_source(cache: Path) -> None:
    charts: ChartSource = source(a_repository(), cache)
    assert isinstance(charts, ChartRepository)


def test_a_chart_is_fetched_checked_and_kept_under_its_digest(cache: Path) -> None:
    web = a_repository()
    chart = fetch(source(web, cache), sha256=DIGEST)
    assert chart == ChartArchive(cache / f"{DIGEST}.tgz", DIGEST, "dragonfly", "9.7.4", "2.5.0")
    assert chart.path.read_bytes() == CHART
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(chart.path.stat().st_mode) == 0o600
    assert web.asked == [f"{REPOSITORY}/index.yaml", f"{REPOSITORY}/dragonfly-9.7.4.tgz"]


def test_a_kept_chart_whose_digest_is_known_needs_no_request(cache: Path) -> None:
    fetch(source(a_repository(), cache))
    nobody = Web({})
    assert fetch(source(nobody, cache), sha256=DIGEST).path == cache / f"{DIGEST}.tgz"
    assert nobody.asked == []


def test_the_digest_of_an_index_is_taken_with_a_warning_and_its_archive_fetched_once(cache: Path) -> None:
    web = a_repository()
    for _ in range(2):
        chart = fetch(source(web, cache))
        assert f"sha256: {DIGEST}" in chart.warning
    assert web.asked.count(f"{REPOSITORY}/dragonfly-9.7.4.tgz") == 1


def test_an_index_without_a_digest_warns(cache: Path) -> None:
    assert "gives no digest" in fetch(source(a_repository(index=index(digest=None)), cache)).warning


def test_official_versions_have_built_in_digests_that_beat_the_index(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = OFFICIAL_REPOSITORY.rstrip("/")
    pages: dict[str, Answer | list[Answer]] = {
        f"{base}/index.yaml": index(digest="0" * 64),
        f"{base}/dragonfly-9.7.4.tgz": CHART,
    }
    monkeypatch.setattr("dfmc.clients.chart.built_in_digests", lambda: {"9.7.4": DIGEST})
    for repository in (None, OFFICIAL_REPOSITORY, base):
        web = Web(pages)
        chart = fetch(source(web, cache / str(repository).replace("/", "_")), repository=repository)
        assert (chart.sha256, chart.warning) == (DIGEST, "")
    monkeypatch.setattr("dfmc.clients.chart.built_in_digests", lambda: {"9.7.4": "1" * 64})
    with pytest.raises(IntegrityError, match="1" * 64):
        fetch(source(Web(pages), cache / "other"), repository=None)
    pinned = fetch(source(Web(pages), cache / "pinned"), repository=None, sha256=DIGEST)
    assert pinned.warning == ""


def test_the_built_in_digests_are_sound() -> None:
    digests = built_in_digests()
    assert len(digests) > 300
    assert digests["1.7.4"] == "9728784ea3fefa2fb9c18d6e66647ec1368c06127cfe6d4df4b8a6089d89b2b2"
    assert all(len(d) == 64 and set(d) <= set("0123456789abcdef") for d in digests.values())


@pytest.mark.shared
def test_the_built_in_digests_are_those_of_the_official_index() -> None:
    entries = yaml.safe_load((shared_material() / "charts" / "index-digests.json").read_text())["entries"]
    assert built_in_digests() == {entry["version"]: entry["digest"] for entry in entries}


@pytest.mark.parametrize("expected", ["pinned", "index"])
def test_an_archive_with_another_digest_is_refused_and_not_kept(cache: Path, expected: str) -> None:
    tampered = archive({"dragonfly/Chart.yaml": CHART_YAML, "dragonfly/templates/x.yaml": b"evil"})
    web = a_repository(archive=tampered)
    with pytest.raises(IntegrityError) as caught:
        fetch(source(web, cache), sha256=DIGEST if expected == "pinned" else None)
    assert DIGEST in caught.value.why
    assert hashlib.sha256(tampered).hexdigest() in caught.value.why
    assert kept(cache) == []


def test_a_kept_archive_that_was_changed_is_fetched_again(cache: Path) -> None:
    web = a_repository()
    chart = fetch(source(web, cache), sha256=DIGEST)
    chart.path.write_bytes(CHART[:-7])
    assert fetch(source(web, cache), sha256=DIGEST).path.read_bytes() == CHART
    assert len(web.asked) == 4


def test_a_version_that_is_not_there_names_its_neighbours(cache: Path) -> None:
    web = a_repository(index=index(*(f"1.7.{n}" for n in range(12)), "2.0.0"))
    with pytest.raises(PreflightError, match=r"no dragonfly 1\.7\.99") as caught:
        fetch(source(web, cache), version="1.7.99")
    assert "1.7.11" in caught.value.why
    assert "2.0.0" in caught.value.why
    with pytest.raises(PreflightError, match="no chart called dragonfyl") as caught:
        fetch(source(web, cache), name="dragonfyl")
    assert "dragonfly" in caught.value.why


def test_neighbours_are_sorted_as_versions() -> None:
    published = ["1.10.0", "1.9.0", "1.2.0", "1.10.0-rc.1", "0.1.0", "3.0.0", "1.11.0"]
    assert nearest_versions("1.9.5", published) == ["1.2.0", "1.9.0", "1.10.0-rc.1", "1.10.0", "1.11.0", "3.0.0"]
    assert nearest_versions("1.0.0", []) == []
    assert nearest_versions("not a version", ["1.0.0"]) == ["1.0.0"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"<html>hello</html>", "entries"),
        (b"entries: [a, b]", "entries"),
        (b"a: [b", "flow"),
        (b"[" * 50_000, ""),
        (b"\xff\xfe\x00", ""),
        (b"entries: {dragonfly: [{version: 9.7.4}]}", "urls"),
        (b"", "entries"),
    ],
)
def test_what_is_no_index_is_called_so(cache: Path, text: bytes, word: str) -> None:
    with pytest.raises(PreflightError, match="not the index") as caught:
        fetch(source(a_repository(index=text), cache))
    assert word in caught.value.why


@pytest.mark.parametrize(
    ("failure", "kind", "attempts"),
    [
        (503, UnreachableError, 3),
        (429, UnreachableError, 3),
        (httpx2.ConnectError("refused"), UnreachableError, 3),
        (httpx2.ReadTimeout("slow"), UnreachableError, 3),
        (httpx2.RemoteProtocolError("cut"), UnreachableError, 3),
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), IntegrityError, 1),
        (404, PreflightError, 1),
        (401, AuthError, 1),
        (403, AuthError, 1),
    ],
)
def test_a_repository_that_fails(cache: Path, failure: Answer, kind: type[DfmcError], attempts: int) -> None:
    web = a_repository(index=failure)
    with pytest.raises(DfmcError) as caught:
        fetch(source(web, cache))
    assert type(caught.value) is kind
    assert len(web.asked) == attempts
    assert caught.value.next_step


def test_a_repository_that_fails_once_is_asked_again(cache: Path) -> None:
    web = a_repository(index=[503, index()], archive=[httpx2.ReadError("cut"), CHART])
    assert fetch(source(web, cache)).sha256 == DIGEST


def test_the_next_address_of_an_archive_is_tried(cache: Path) -> None:
    mirror = "https://mirror.example/d.tgz"
    web = Web(
        {
            f"{REPOSITORY}/index.yaml": index(urls=(mirror, "dragonfly-9.7.4.tgz")),
            mirror: 500,
            f"{REPOSITORY}/dragonfly-9.7.4.tgz": CHART,
        }
    )
    assert fetch(source(web, cache)).sha256 == DIGEST


def redirect(to: str) -> httpx2.Response:
    return httpx2.Response(302, headers={"Location": to})


def test_redirects_are_followed_and_addresses_are_relative_to_where_they_end(cache: Path) -> None:
    web = Web(
        {
            f"{REPOSITORY}/index.yaml": redirect("/new/index.yaml"),
            "https://charts.example/new/index.yaml": index(urls=("pkg/d.tgz",)),
            "https://charts.example/new/pkg/d.tgz": redirect("https://cdn.example/d.tgz?token=x"),
            "https://cdn.example/d.tgz?token=x": CHART,
        }
    )
    assert fetch(source(web, cache)).sha256 == DIGEST


@pytest.mark.parametrize(
    ("to", "word"),
    [
        (f"{REPOSITORY}/index.yaml", "redirects"),
        ("http://charts.example/index.yaml", "from https"),
        ("file:///etc/passwd", "from https"),
        ("https://user:hunter2@charts.example/", "user name or password"),
    ],
)
def test_redirects_that_are_not_followed(cache: Path, to: str, word: str) -> None:
    web = a_repository(index=redirect(to))
    with pytest.raises(PreflightError) as caught:
        fetch(source(web, cache))
    assert word in caught.value.why
    assert "hunter2" not in str(caught.value)
    assert len(web.asked) <= MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "file:///x", "https://user:hunter2@h/x", "https://:hunter2@h", "https:///x", "http://[::1"],
)
def test_addresses_that_are_never_fetched(cache: Path, url: str) -> None:
    assert refuse_url(url)
    web = Web({})
    with pytest.raises(PreflightError) as caught:
        fetch(source(web, cache), repository=url)
    assert "hunter2" not in str(caught.value)
    assert web.asked == []


def test_a_package_address_with_a_password_is_refused(cache: Path) -> None:
    with pytest.raises(PreflightError) as caught:
        fetch(source(a_repository(index=index(urls=("https://u:hunter2@h/d.tgz",))), cache))
    assert "hunter2" not in str(caught.value)


def test_a_body_without_end_is_cut_off(cache: Path) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 65536
            yield b"x" * 65536

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=endless())

    charts = ChartRepository(transport=httpx2.MockTransport(answer), cache=cache)
    with pytest.raises(PreflightError, match="cannot be used") as caught:
        fetch(charts)
    assert "larger than 20 MiB" in caught.value.why
    assert sent <= MAX_ARCHIVE + 2 * 65536


def test_a_body_that_trickles_is_given_up(cache: Path) -> None:
    async def trickle() -> Any:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=trickle())

    async def no_wait(_: float) -> None: ...

    charts = ChartRepository(transport=httpx2.MockTransport(answer), cache=cache, total_time=0.1, sleep=no_wait)
    with pytest.raises(UnreachableError, match="no full answer"):
        fetch(charts)


def test_no_credentials_and_no_compression_are_asked_for(cache: Path) -> None:
    web = a_repository()
    fetch(source(web, cache))
    for request in web.requests:
        assert request.headers["Accept-Encoding"] == "identity"
        assert "Authorization" not in request.headers
        assert "Cookie" not in request.headers


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    return info


def sized(name: str, size: int) -> bytes:
    """An archive whose second entry claims a size without having it."""
    good = tarfile.TarInfo("dragonfly/Chart.yaml")
    good.size = len(CHART_YAML)
    huge = tarfile.TarInfo(name)
    huge.size = size
    blocks = good.tobuf() + CHART_YAML.ljust(512, b"\0") + huge.tobuf()
    import gzip

    return gzip.compress(blocks)


BAD_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "no archive": lambda: b"hello",
    "empty": lambda: b"",
    "cut": lambda: CHART[: len(CHART) // 2],
    "broken inside": lambda: CHART[:40] + bytes(b ^ 0xFF for b in CHART[40:60]) + CHART[60:],
    "traversal": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML, "dragonfly/../../etc/x": b""}),
    "absolute": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML, "/etc/x": b""}),
    "backslash": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML, "dragonfly\\..\\x": b""}),
    "two tops": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML, "other/x": b""}),
    "no metadata": lambda: archive({"dragonfly/values.yaml": b""}),
    "metadata below": lambda: archive({"dragonfly/charts/redis/Chart.yaml": CHART_YAML}),
    "symlink": lambda: archive(None, [special("dragonfly/l", tarfile.SYMTYPE, "/etc/passwd")]),
    "hard link": lambda: archive(None, [special("dragonfly/l", tarfile.LNKTYPE, "dragonfly/Chart.yaml")]),
    "device": lambda: archive(None, [special("dragonfly/d", tarfile.CHRTYPE)]),
    "bomb": lambda: sized("dragonfly/x", 10**12),
    "huge metadata": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML + b"#" * 2 * 1024 * 1024}),
    "metadata no YAML": lambda: archive({"dragonfly/Chart.yaml": b"a: [b"}),
    "metadata no map": lambda: archive({"dragonfly/Chart.yaml": b"- a"}),
    "version a number": lambda: archive({"dragonfly/Chart.yaml": b"name: dragonfly\nversion: 9.7"}),
    "library": lambda: archive({"dragonfly/Chart.yaml": CHART_YAML + b"type: library\n"}),
}


@pytest.mark.parametrize("bad", BAD_ARCHIVES)
@scenario("C7", real=True)
def test_archives_that_are_refused_and_not_kept(cache: Path, bad: str) -> None:
    content = BAD_ARCHIVES[bad]()
    digest = hashlib.sha256(content).hexdigest()
    web = a_repository(index=index(digest=digest), archive=content)
    with pytest.raises(PreflightError, match="is not a chart") as caught:
        fetch(source(web, cache))
    assert caught.value.why
    assert kept(cache) == []


@pytest.mark.parametrize("field", ["name", "version"])
def test_a_chart_that_is_another_one_inside_is_refused(cache: Path, field: str) -> None:
    other = CHART_YAML.replace({"name": b"dragonfly", "version": b"9.7.4"}[field], b"1.0.0")
    content = archive({"dragonfly/Chart.yaml": other})
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(PreflightError, match=r"not dragonfly 9\.7\.4"):
        fetch(source(a_repository(index=index(digest=digest), archive=content), cache))
    assert kept(cache) == []


def test_a_local_archive_is_copied_under_its_digest(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.tgz"
    path.write_bytes(CHART)
    web = Web({})
    chart = fetch(source(web, cache), repository=None, path=str(path))
    assert chart.path == cache / f"{DIGEST}.tgz"
    assert f"sha256: {DIGEST}" in chart.warning
    assert fetch(source(web, cache), path=str(path), sha256=DIGEST).warning == ""
    with pytest.raises(IntegrityError, match="f" * 64):
        fetch(source(web, cache), path=str(path), sha256="f" * 64)
    assert web.asked == []


def test_a_local_copy_of_a_published_package_needs_no_pin(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d.tgz"
    path.write_bytes(CHART)
    monkeypatch.setattr("dfmc.clients.chart.built_in_digests", lambda: {"9.7.4": DIGEST})
    assert fetch(source(Web({}), cache), path=str(path)).warning == ""


@pytest.fixture
def chart_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "my chart"
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_bytes(CHART_YAML)
    (directory / "templates" / "a.yaml").write_text("a")
    return directory


def test_the_digest_of_a_directory_is_over_names_and_contents(cache: Path, chart_directory: Path) -> None:
    charts = source(Web({}), cache)
    first = fetch(charts, path=str(chart_directory))
    assert first.path == chart_directory
    assert first.sha256 in first.warning
    assert fetch(charts, path=str(chart_directory), sha256=first.sha256).warning == ""
    template = chart_directory / "templates" / "a.yaml"
    os.utime(template, (1, 1))
    assert fetch(charts, path=str(chart_directory)).sha256 == first.sha256
    template.write_text("b")
    changed = fetch(charts, path=str(chart_directory)).sha256
    template.write_text("a")
    template.rename(template.with_name("b.yaml"))
    renamed = fetch(charts, path=str(chart_directory)).sha256
    assert len({first.sha256, changed, renamed}) == 3
    with pytest.raises(IntegrityError):
        fetch(charts, path=str(chart_directory), sha256=first.sha256)


@pytest.mark.parametrize("target", ["/etc/passwd", "templates"])
def test_a_directory_with_links_is_refused(cache: Path, chart_directory: Path, target: str) -> None:
    (chart_directory / "link").symlink_to(target)
    with pytest.raises(PreflightError, match="is not a chart"):
        fetch(source(Web({}), cache), path=str(chart_directory))


def test_local_paths_that_are_no_chart(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "empty").mkdir()
    big = tmp_path / "big.tgz"
    with big.open("wb") as file:
        file.truncate(MAX_ARCHIVE + 1)
    for path in ("empty", str(pipe), str(tmp_path / "absent.tgz"), str(tmp_path / "empty"), str(big)):
        started = time.monotonic()
        with pytest.raises(PreflightError) as caught:
            fetch(source(Web({}), cache), path=path)
        assert caught.value.next_step
        assert time.monotonic() - started < 2


def test_a_chart_from_a_registry_is_pulled_once_and_checked(cache: Path) -> None:
    pulled: list[tuple[str, str]] = []

    async def pull(reference: str, version: str, into: Path) -> Path:
        pulled.append((reference, version))
        place = into / "dragonfly-9.7.4.tgz"
        place.write_bytes(CHART)
        return place

    charts = source(Web({}), cache, pull_oci=pull)
    for address in ("oci://registry.example/charts", "oci://registry.example/charts/dragonfly"):
        chart = fetch(charts, repository=address)
        assert chart.path == cache / f"{DIGEST}.tgz"
        assert "vouches" in chart.warning
    assert pulled == [("oci://registry.example/charts/dragonfly", "9.7.4")] * 2
    assert fetch(charts, repository="oci://registry.example/charts", sha256=DIGEST).warning == ""
    assert len(pulled) == 2
    with pytest.raises(IntegrityError):
        fetch(charts, repository="oci://registry.example/charts", sha256="0" * 64)
    assert kept(cache) == [f"{DIGEST}.tgz"]
    with pytest.raises(PreflightError):
        fetch(charts, repository="oci://u:p@registry.example/charts")
    with pytest.raises(PreflightError, match="no helm"):
        fetch(source(Web({}), cache), repository="oci://registry.example/charts")


def test_a_full_disk_leaves_no_half_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dfmc.clients.chart.os.fsync", full)
    with pytest.raises(PreflightError, match="cannot be kept") as caught:
        fetch(source(a_repository(), cache))
    assert caught.value.why == "No space left on device"
    assert kept(cache) == []


@scenario("C6", real=True)
def test_half_written_files_of_killed_runs_are_cleared_away(cache: Path) -> None:
    cache.mkdir()
    old, young = cache / ".abc.part", cache / ".def.part"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (1, 1))
    fetch(source(a_repository(), cache))
    assert kept(cache) == [".def.part", f"{DIGEST}.tgz"]


@scenario("C6", real="runs that share one process")
def test_two_runs_share_a_cache(cache: Path) -> None:
    async def both() -> list[ChartArchive]:
        wanted: dict[str, Any] = {"path": None, "name": "dragonfly", "version": "9.7.4", "sha256": DIGEST}
        web = a_repository()
        return await asyncio.gather(*(source(web, cache).fetch(repository=REPOSITORY, **wanted) for _ in range(4)))

    assert len({c.path for c in asyncio.run(both())}) == 1
    assert kept(cache) == [f"{DIGEST}.tgz"]


def test_a_part_of_another_run_that_vanishes_meanwhile_is_no_failure(cache: Path) -> None:
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Listed, but gone once it is looked at: what a finished download of another run looks like in between.
    (cache / ".vanished.part").symlink_to(cache / "nowhere")
    assert fetch(source(a_repository(), cache)).path == cache / f"{DIGEST}.tgz"


def test_the_default_cache_is_the_users_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    chart = fetch(source(a_repository(), None))
    assert chart.path == tmp_path / "c" / "dfmc" / "charts" / f"{DIGEST}.tgz"
    assert stat.S_IMODE((tmp_path / "c" / "dfmc").stat().st_mode) == 0o700
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(PreflightError, match="cache directory") as caught:
        fetch(source(a_repository(), None))
    assert "XDG_CACHE_HOME" in caught.value.next_step


def test_a_real_server_is_asked_over_a_real_socket(
    httpserver: HTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    httpserver.expect_request("/r/index.yaml").respond_with_data(index())
    httpserver.expect_request("/r/dragonfly-9.7.4.tgz").respond_with_data(CHART)
    chart = fetch(ChartRepository(cache=cache), repository=httpserver.url_for("/r/"))
    assert chart.path.read_bytes() == CHART
    httpserver.check_assertions()


def test_a_proxy_that_cannot_be_used_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://proxy.example")
    with pytest.raises(PreflightError, match="proxy") as caught:
        fetch(ChartRepository(cache=cache))
    assert "HTTPS_PROXY" in caught.value.next_step
