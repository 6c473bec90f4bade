"""The few API server calls that the bed needs, as plain JSON over one pooled connection set.

Not the `kubernetes` library: importing it costs more than a whole second `up`, and the supervisor's rules are written
over plain objects. The admin certificate is the one kwokctl made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import urllib3

from dfmc.errors import DfmcError, UnreachableError

JsonObject = dict[str, Any]

USER_AGENT = "dfmc-testbed"
APPLY_MANAGER = "dfmc-testbed"

_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiRefusedError(DfmcError):
    """The API server answered with an error.

    Args:
        status: HTTP status.
        reason: The Status object's reason, such as ``AlreadyExists``.
        rest: See DfmcError.
    """

    def __init__(self, what: str, *, status: int, reason: str = "", **rest: str) -> None:
        super().__init__(what, **rest)
        self.status = status
        self.reason = reason


class KubeApi:
    """One API server of the bed. Safe to use from several threads."""

    def __init__(self, port: int, pki: Path, deadline: float = 15.0) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            port: Loopback port of the API server.
            pki: Directory with ``ca.crt``, ``admin.crt``, ``admin.key``.
            deadline: Seconds per call.
        """
        self.server = f"https://127.0.0.1:{port}"
        self._deadline = deadline
        self._pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            port,
            maxsize=24,
            ca_certs=str(pki / "ca.crt"),
            cert_file=str(pki / "admin.crt"),
            key_file=str(pki / "admin.key"),
            headers={"User-Agent": USER_AGENT},
            retries=False,
        )

    def get(self, path: str) -> JsonObject | None:
        """Return an object, or None where there is none.

        Raises:
            ApiRefusedError: Any other error answer.
            UnreachableError: No answer.
        """
        try:
            return self._json("GET", path)
        except ApiRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def ready(self, deadline: float = 2.0) -> bool:
        """Tell whether the API server answers and says that it is ready."""
        try:
            answer = self._pool.request("GET", "/readyz", timeout=deadline)
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        return bool(answer.status == HTTPStatus.OK)

    def list(self, path: str) -> tuple[list[JsonObject], str]:
        """Return all objects under a collection's path, and the resource version to watch from."""
        answer = self._json("GET", path)
        return answer.get("items") or [], answer["metadata"]["resourceVersion"]

    def create(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Create an object in a collection.

        Raises:
            ApiRefusedError: With status 409 where it exists already.
        """
        return self._json("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any], how: Literal["merge", "apply"] = "merge") -> JsonObject:
        """Merge into an object, or apply it as ours (created where it does not exist)."""
        query = f"?fieldManager={APPLY_MANAGER}&force=true" if how == "apply" else ""
        return self._json("PATCH", path + query, body, _PATCH_TYPES[how])

    def delete(self, path: str, *, uid: str = "", grace: int | None = None) -> None:
        """Delete an object; one that is gone already, or was replaced by another of the same name, is fine.

        Args:
            path: Of the object.
            uid: Only this very object.
            grace: ``gracePeriodSeconds``; it must stand in the body, beside preconditions the query is ignored.
        """
        body: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self._json("DELETE", path, body)
        except ApiRefusedError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def watch(self, path: str, resource_version: str, seconds: int) -> Iterator[JsonObject]:
        """Yield watch events of a collection for at most ``seconds``.

        Raises:
            UnreachableError: The stream broke off.
            ApiRefusedError: The server refused, e.g. 410 for a version that is too old.
        """
        query = f"?watch=1&resourceVersion={resource_version}&timeoutSeconds={seconds}&allowWatchBookmarks=true"
        try:
            answer = self._pool.request(
                "GET",
                path + query,
                preload_content=False,
                timeout=urllib3.Timeout(connect=self._deadline, read=seconds + self._deadline),
            )
            try:
                if answer.status != HTTPStatus.OK:
                    raise self._refused("GET", path, answer.status, answer.read())
                buffer = b""
                for chunk in answer.stream(1 << 16):
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        event: JsonObject = json.loads(line)
                        if event["type"] == "ERROR":
                            status = event["object"]
                            raise ApiRefusedError(status.get("message", ""), status=status.get("code", 0))
                        yield event
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content: str = "application/json"
    ) -> JsonObject:
        headers = {"User-Agent": USER_AGENT, "Content-Type": content} if body is not None else None
        data = json.dumps(body).encode() if body is not None else None
        try:
            answer = self._pool.request(method, path, body=data, headers=headers, timeout=self._deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise self._refused(method, path, answer.status, answer.data)
        result: JsonObject = json.loads(answer.data)
        return result

    def _refused(self, method: str, path: str, status: int, body: bytes) -> ApiRefusedError:
        try:
            answer = json.loads(body)
            message, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
        except ValueError:
            message, reason = body.decode(errors="replace")[:300], ""
        return ApiRefusedError(
            f"{method} {path} was refused", status=status, reason=reason, where=self.server, why=message
        )

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError("an API server of the bed does not answer", where=self.server, why=str(error))
