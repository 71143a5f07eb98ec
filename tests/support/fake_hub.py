"""A Hub on loopback: the part of its HTTP interface that `huggingface_hub` uses for datasets.

Written after the requests of `huggingface_hub` (hf_api.py, _commit_api.py, lfs.py). It keeps
commits, as the real one does: a revision answers by its hash after its branch has forgotten it,
unless `forgets_squashed` is set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".npy")
DATE = "2026-11-28T00:00:00.000Z"


@dataclass
class Commit:
    """Its tree (path -> hash of the content, and whether it is a large file), and its parent."""

    tree: dict[str, tuple[str, bool]]
    parent: str


@dataclass
class FakeHub:
    """The state of the only repository, and who is to be killed at which change."""

    url: str = ""
    exists: bool = False
    private: bool = False
    gated: str | bool = False
    gated_at: int = -1
    forgets_squashed: bool = True
    small: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    uploads: int = 0
    kill_at: int = 0
    victim: int = 0

    def resolved(self, name: str) -> str | None:
        """The commit of a branch, a tag, a full reference or a hash."""
        for ref in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
            if ref in self.refs:
                return self.refs[ref]
        return name if name in self.commits else None

    def add_commit(self, tree: dict[str, tuple[str, bool]], parent: str) -> str:
        content = json.dumps([sorted(tree.items()), parent, len(self.commits)])
        oid = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        self.commits[oid] = Commit(tree, parent)
        return oid

    def history(self, oid: str) -> Iterator[str]:
        while oid in self.commits:
            yield oid
            oid = self.commits[oid].parent

    def content(self, oid: str, path: str) -> bytes | None:
        digest, is_large = self.commits[oid].tree[path]
        return (self.large if is_large else self.small).get(digest)

    def forget(self) -> None:
        """Drop commits that no reference leads to."""
        kept = {oid for target in self.refs.values() for oid in self.history(target)}
        for oid in set(self.commits) - kept:
            del self.commits[oid]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - named by the server's class

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        body = self._body()
        for method, pattern, function in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                function(self, body, *(unquote(part) for part in match.groups()))
                return
        self.send(404, {"error": f"no route for {self.command} {path}"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def send(self, status: int, content: Any = None, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def changing(self, what: str) -> None:
        """Count a change; kill whoever is to be killed before it, or (odd numbers) after it."""
        self.hub.changes.append(what)
        if self.hub.kill_at == 2 * len(self.hub.changes) and self.hub.victim:
            os.kill(self.hub.victim, signal.SIGKILL)
            raise ConnectionAbortedError

    def changed(self) -> None:
        if self.hub.kill_at == 2 * len(self.hub.changes) + 1 and self.hub.victim:
            os.kill(self.hub.victim, signal.SIGKILL)
            raise ConnectionAbortedError

    def commit_named(self, name: str) -> str | None:
        oid = self.hub.resolved(name)
        if not self.hub.exists:
            self.send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif oid is None:
            self.send(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
        return oid if self.hub.exists else None

    def create(self, body: bytes) -> None:
        answer = {"url": f"{self.hub.url}/datasets/me/mine"}
        if self.hub.exists:
            self.send(409, {"error": "You already created this dataset repo", **answer})
            return
        self.changing("create")
        self.hub.exists = True
        self.hub.private = json.loads(body).get("visibility") == "private"
        attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
        self.hub.small["attributes"] = attributes
        first = self.hub.add_commit({".gitattributes": ("attributes", False)}, "")
        self.hub.refs["refs/heads/main"] = first
        self.changed()
        self.send(200, answer)

    def settings(self, body: bytes) -> None:
        self.changing("settings")
        self.hub.gated = json.loads(body).get("gated", self.hub.gated)
        self.hub.gated_at = len(self.hub.commits)
        self.changed()
        self.send(200, {})

    def yaml(self, body: bytes) -> None:
        assert json.loads(body)["content"].startswith("---\n")
        self.send(200, {"warnings": [], "errors": []})

    def list_refs(self, body: bytes) -> None:
        if not self.hub.exists:
            self.send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return

        def below(prefix: str) -> list[dict[str, str]]:
            return [
                {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
                for ref, oid in self.hub.refs.items()
                if ref.startswith(prefix)
            ]

        answer = {
            "branches": below("refs/heads/"),
            "tags": below("refs/tags/"),
            "converts": below("refs/convert/"),
        }
        if "include_prs" in self.path:
            answer["pullRequests"] = below("refs/pr/")
        self.send(200, answer)

    def list_commits(self, body: bytes, name: str) -> None:
        oid = self.commit_named(name)
        if oid:
            fields = {"authors": [], "date": DATE, "title": "", "message": ""}
            self.send(200, [{"id": each, **fields} for each in self.hub.history(oid)])

    def tree(self, body: bytes, name: str) -> None:
        oid = self.commit_named(name)
        if not oid:
            return
        entries = []
        for path, (digest, is_large) in self.hub.commits[oid].tree.items():
            content = self.hub.content(oid, path) or b""
            entry = {"type": "file", "path": path, "size": len(content), "oid": digest[:40]}
            if is_large:
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self.send(200, entries)

    def preupload(self, body: bytes, name: str) -> None:
        answer = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(body)["files"]
        ]
        self.send(200, {"files": answer})

    def batch(self, body: bytes) -> None:
        objects = []
        for each in json.loads(body)["objects"]:
            answer = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.large:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}
            objects.append(answer)
        self.send(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        self.changing("upload")
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.hub.uploads += 1
        self.changed()
        self.send(200, {})

    def commit(self, body: bytes, name: str) -> None:
        parent = self.commit_named(name)
        if not parent:
            return
        self.changing("commit")
        tree = dict(self.hub.commits[parent].tree)
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                content = base64.b64decode(value["content"])
                digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                self.hub.small[digest] = content
                tree[value["path"]] = (digest, False)
            elif item["key"] == "lfsFile":
                assert value["oid"] in self.hub.large
                tree[value["path"]] = (value["oid"], True)
            elif item["key"] == "deletedFile":
                del tree[value["path"]]
            else:
                assert item["key"] == "header", item
        oid = self.hub.add_commit(tree, parent)
        self.hub.refs[f"refs/heads/{name}"] = oid
        self.changed()
        answer = {
            "commitUrl": f"{self.hub.url}/datasets/me/mine/commit/{oid}",
            "commitOid": oid,
        }
        self.send(200, answer)

    def squash(self, body: bytes, name: str) -> None:
        oid = self.commit_named(name)
        if not oid:
            return
        self.changing("squash")
        self.hub.refs[f"refs/heads/{name}"] = self.hub.add_commit(self.hub.commits[oid].tree, "")
        if self.hub.forgets_squashed:
            self.hub.forget()
        self.changed()
        self.send(200, {})

    def delete_ref(self, body: bytes, kind: str, name: str) -> None:
        self.changing(f"delete {name}")
        prefix = {"branch": "refs/heads/", "tag": "refs/tags/"}[kind]
        ref = name if name.startswith("refs/") else prefix + name
        if self.hub.refs.pop(ref, None) is None:
            self.send(404, {"error": "not there"})
            return
        if self.hub.forgets_squashed:
            self.hub.forget()
        self.changed()
        self.send(200, {})

    def list_large(self, body: bytes) -> None:
        names = {
            digest: path
            for commit in self.hub.commits.values()
            for path, (digest, is_large) in commit.tree.items()
            if is_large
        }
        self.send(
            200,
            [
                {
                    "fileOid": f"file-{digest}", "filename": names.get(digest, digest),
                    "oid": digest, "pushedAt": DATE, "ref": "main", "size": len(content),
                }
                for digest, content in self.hub.large.items()
            ],
        )  # fmt: skip

    def delete_large(self, body: bytes) -> None:
        self.changing("delete large files")
        for name in json.loads(body)["deletions"]["sha"]:
            self.hub.large.pop(name.removeprefix("file-"), None)
        self.changed()
        self.send(200, {})

    def resolve(self, body: bytes, name: str, path: str) -> None:
        oid = self.commit_named(name)
        if not oid:
            return
        tree = self.hub.commits[oid].tree
        content = self.hub.content(oid, path) if path in tree else None
        if content is None:
            self.send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        self.send(200, content, X_Repo_Commit=oid, ETag=f'"{tree[path][0]}"')


REPO = "/api/datasets/me/mine"
ROUTES = [
    (("POST",), "/api/repos/create", Handler.create),
    (("POST",), "/api/validate-yaml", Handler.yaml),
    (("PUT",), f"{REPO}/settings", Handler.settings),
    (("GET",), f"{REPO}/refs", Handler.list_refs),
    (("GET",), f"{REPO}/commits/([^/]+)", Handler.list_commits),
    (("GET",), f"{REPO}/tree/([^/]+)", Handler.tree),
    (("POST",), f"{REPO}/preupload/([^/]+)", Handler.preupload),
    (("POST",), "/datasets/me/mine.git/info/lfs/objects/batch", Handler.batch),
    (("PUT",), "/lfs/([0-9a-f]+)", Handler.upload),
    (("POST",), f"{REPO}/commit/([^/]+)", Handler.commit),
    (("POST",), f"{REPO}/super-squash/([^/]+)", Handler.squash),
    (("DELETE",), f"{REPO}/(branch|tag)/([^/]+)", Handler.delete_ref),
    (("GET",), f"{REPO}/lfs-files", Handler.list_large),
    (("POST",), f"{REPO}/lfs-files/batch", Handler.delete_large),
    (("GET", "HEAD"), "/datasets/me/mine/resolve/([^/]+)/(.+)", Handler.resolve),
]


@contextmanager
def serve_hub() -> Iterator[FakeHub]:
    """A Hub without a repository."""
    hub = FakeHub()

    class OfThisHub(Handler):
        pass

    OfThisHub.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), OfThisHub)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
