"""A fresh image is pushed as a registry wants it, and deleted again."""

import asyncio
import io
import json
import re
import tarfile

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from dfmc.clients.registry import OciRegistry, digest_of, make_image
from dfmc.errors import AuthError, DfmcError, UnreachableError, UsageError


class Registry:
    """As much of a registry as a push needs; checks every digest, and refuses manifests of what it does not have."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.uploads = 0
        self.location = "/v2/verify/blobs/uploads/{}?_state=a%2Fb"
        self.lets_delete = True
        server.expect_request(re.compile("^/v2/verify/")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        kind, _, reference = request.path.removeprefix("/v2/verify/").partition("/")
        body = request.get_data()
        if request.method == "POST" and reference == "uploads/":
            self.uploads += 1
            return Response("", 202, {"Location": self.location.format(self.uploads)})
        if request.method == "PUT" and kind == "blobs":
            if request.args["_state"] != "a/b" or request.args["digest"] != digest_of(body):
                return Response("wrong digest", 400)
            self.blobs[digest_of(body)] = body
            return Response("", 201)
        if request.method == "PUT":
            missing = [one for one in _named(json.loads(body)) if one not in self.blobs and one not in self.manifests]
            if missing or request.content_type != json.loads(body)["mediaType"]:
                return Response(json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}), 400)
            self.manifests[reference] = self.manifests[digest_of(body)] = body
            return Response("", 201)
        if not self.lets_delete:
            return Response("", 405)
        kept = self.manifests if kind == "manifests" else self.blobs
        for key in [key for key, content in kept.items() if digest_of(content) == reference]:
            del kept[key]
        return Response("", 202)


def _named(manifest: dict[str, object]) -> list[str]:
    return re.findall(r"sha256:[0-9a-f]{64}", json.dumps(manifest))


def test_an_image_is_pushed_whole_and_deleted_whole(httpserver: HTTPServer) -> None:
    registry = Registry(httpserver)
    client = OciRegistry(registry.url)
    image = asyncio.run(client.push("verify", 1000))
    index = json.loads(registry.manifests[image.tag])
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"]
    manifest = json.loads(registry.manifests[index["manifests"][0]["digest"]])
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert config["architecture"] == "amd64"
    assert config["rootfs"]["diff_ids"] == [image.layer] == [manifest["layers"][0]["digest"]]
    with tarfile.open(fileobj=io.BytesIO(registry.blobs[image.layer])) as layer:
        assert [member.size for member in layer] == [1000]
    assert asyncio.run(client.delete(image)) is True
    assert registry.manifests == {}
    assert registry.blobs == {}


def test_no_two_images_share_a_byte_or_a_tag(httpserver: HTTPServer) -> None:
    client = OciRegistry(Registry(httpserver).url)
    one, other = (asyncio.run(client.push("verify", 100)) for _ in range(2))
    assert one.tag != other.tag
    assert not {*one.blobs, *one.manifests} & {*other.blobs, *other.manifests}
    assert make_image(64).layer != make_image(64).layer


def test_an_upload_goes_to_the_registry_whatever_it_calls_itself(httpserver: HTTPServer) -> None:
    registry = Registry(httpserver)
    registry.location = "http://registry.inside:5000/v2/verify/blobs/uploads/{}?_state=a%2Fb"
    asyncio.run(OciRegistry(registry.url).push("verify", 100))
    assert len(registry.blobs) == 3


def test_a_registry_that_lets_nobody_delete_says_so(httpserver: HTTPServer) -> None:
    registry = Registry(httpserver)
    client = OciRegistry(registry.url)
    image = asyncio.run(client.push("verify", 100))
    registry.lets_delete = False
    assert asyncio.run(client.delete(image)) is False


@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (403, AuthError), (404, DfmcError), (500, DfmcError)])
def test_a_refusal_has_the_registrys_words(httpserver: HTTPServer, status: int, kind: type[DfmcError]) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("DENIED sesame\x1b[31m", status=status)
    client = OciRegistry(httpserver.url_for("").rstrip("/"), lambda text: text.replace("sesame", "***"))
    with pytest.raises(kind, match=r"HTTP \d+ DENIED \*\*\*$") as caught:
        asyncio.run(client.push("verify", 100))
    assert type(caught.value) is kind


def test_a_registry_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        asyncio.run(OciRegistry("http://127.0.0.1:1").push("verify", 100))


@pytest.mark.parametrize("url", ["", "registry:5000", "ftp://x", "http://user:pw@x", "http://x/v2"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        OciRegistry(url)
