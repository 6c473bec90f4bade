"""``kind`` and ``docker`` for tests: they write down how they were called and keep a small world in a file."""

from __future__ import annotations

import json
import stat
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENGINE = {"ServerVersion": "28.2.2", "OSType": "linux", "Architecture": "x86_64", "DriverStatus": [["Backing", "ext4"]]}

# Isolated and without site-packages, so that a call costs little: the world is JSON, and kubeconfigs are JSON too.
_PROGRAM = """#!{python} -IS
import fcntl, io, json, os, re, sys, tarfile, time
WORLD, JOURNAL = {world!r}, {journal!r}
tool, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
line = " ".join([tool, *argv])
with open(JOURNAL, "a") as journal:
    journal.write(json.dumps([tool, *argv]) + "\\n")
lock = open(WORLD + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
world = json.load(open(WORLD))

def option(name):
    return argv[argv.index(name) + 1] if name in argv else ""

def save():
    with open(WORLD + ".new", "w") as out:
        json.dump(world, out)
    os.replace(WORLD + ".new", WORLD)

def end(code=0, out="", err=""):
    save()
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.stdout.flush()
    sys.exit(code)

def archived(path):
    with tarfile.open(path) as tar:
        return json.load(tar.extractfile("manifest.json"))

def kubeconfig(name):
    port = 6443 + sorted(world["clusters"]).index(name)
    own = "kind-" + name
    content = dict(
        apiVersion="v1", kind="Config",
        clusters=[dict(name=own, cluster=dict(server=f"https://127.0.0.1:{{port}}"))],
        users=[dict(name=own, user=dict(token="t"))],
        contexts=[dict(name=own, context=dict(cluster=own, user=own))],
    )
    os.makedirs(os.path.dirname(option("--kubeconfig")), exist_ok=True)
    open(option("--kubeconfig"), "w").write(json.dumps(content))

for rule in world["fail"]:
    if rule["match"] in line and rule.get("times", 1) > 0:
        rule["times"] = rule.get("times", 1) - 1
        end(rule.get("exit", 1), rule.get("stdout", ""), rule.get("stderr", ""))
for part in world["hang"]:
    if part in line:
        save()
        fcntl.flock(lock, fcntl.LOCK_UN)
        time.sleep(120)

two = line.split(" ")[:3]
if tool == "kind":
    name = option("--name")
    match two[1:]:
        case ["create", "cluster"]:
            config = open(option("--config")).read()
            workers = config.count("role: worker")
            nodes = [f"{{name}}-control-plane"]
            nodes += [f"{{name}}-worker{{n if n > 1 else ''}}" for n in range(1, workers + 1)]
            world["clusters"][name] = dict.fromkeys(nodes, "running")
            world["networks"] = sorted(set(world["networks"]) | {{"kind"}})
            kubeconfig(name)
        case ["export", "kubeconfig"]:
            kubeconfig(name)
        case ["delete", "cluster"]:
            world["clusters"].pop(name, None)
        case ["load", "image-archive"]:
            for node in option("--nodes").split(","):
                assert node in world["clusters"][name], node
                for entry in archived(argv[2]):
                    held = world["node_images"].setdefault(node, [])
                    identity = "sha256:" + os.path.basename(entry["Config"])
                    held.append(dict(id=identity, repoTags=entry["RepoTags"], repoDigests=[]))
        case _:
            end(2, err="fake kind: unknown " + line)
else:
    everyone = [node for nodes in world["clusters"].values() for node in nodes]
    match two[1:]:
        case ["info", _]:
            engine = world["engine"]
            end(0 if "ServerVersion" in engine else 1, json.dumps(engine) + "\\n", engine.get("err", ""))
        case ["ps", _]:
            rows = [f"{{c}}\\t{{n}}\\t{{s}}" for c, nodes in world["clusters"].items() for n, s in nodes.items()]
            end(0, "".join(row + "\\n" for row in rows))
        case ["start", _]:
            for nodes in world["clusters"].values():
                nodes.update((node, "running") for node in nodes if node in argv)
        case ["network", "ls"]:
            wanted = re.compile(option("--filter").removeprefix("name="))
            end(0, "".join(name + "\\n" for name in world["networks"] if wanted.search(name)))
        case ["network", "inspect"]:
            end(0, str(len(everyone) + world["strangers"]) + "\\n")
        case ["network", "rm"]:
            world["networks"].remove(argv[-1])
        case ["image", "inspect"]:
            if argv[-1] not in world["images"]:
                end(1, "", f"Error: No such image: {{argv[-1]}}\\n")
            end(0, world["images"][argv[-1]] + "\\n")
        case ["pull", _]:
            if argv[-1] not in world["registry"]:
                end(1, "", f"Error response from daemon: pull access denied for {{argv[-1]}}\\n")
            world["images"][argv[-1]] = world["registry"][argv[-1]]
        case ["save", _]:
            start = argv.index("--output") + 2
            ids = {{ref: world["configurations"].get(ref, world["images"][ref]) for ref in argv[start:]}}
            rows = [dict(Config="blobs/sha256/" + i.split(":")[1], RepoTags=[ref]) for ref, i in ids.items()]
            content = json.dumps(rows).encode()
            with tarfile.open(option("--output"), "w") as tar:
                member = tarfile.TarInfo("manifest.json")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        case ["exec", node]:
            rest = argv[2:]
            if node not in everyone:
                end(1, "", f"Error: No such container: {{node}}\\n")
            if rest[0] == "crictl":
                end(0, json.dumps(dict(images=world["node_images"].get(node, []))))
            if rest[0] == "getent":
                end(0, "172.18.0.2 STREAM\\n") if rest[-1] in world["names"] else end(2)
            if "wait" in rest:
                end(0, "node/x condition met\\n")
            mine = next(nodes for nodes in world["clusters"].values() if node in nodes)
            end(0, "".join(f"{{n}}\\t{{n not in world['unready']}}\\n" for n in mine))
        case _:
            end(2, err="fake docker: unknown " + line)
end()
"""


@dataclass(frozen=True)
class KindPrograms:
    """Both programs in a directory to put first on PATH."""

    directory: Path

    @property
    def _world(self) -> Path:
        return self.directory / "world.json"

    def install(self) -> None:
        """Write the programs; the engine answers, and there is nothing yet."""
        journal = self.directory / "journal"
        text = _PROGRAM.format(python=sys.executable, world=str(self._world), journal=str(journal))
        for name in ("kind", "docker"):
            path = self.directory / name
            path.write_text(text)
            path.chmod(stat.S_IRWXU)
        empty: dict[str, Any] = {
            **{"engine": ENGINE, "clusters": {}, "networks": ["bridge"], "strangers": 0, "names": [], "unready": []},
            **{"images": {}, "configurations": {}, "registry": {}, "node_images": {}, "fail": [], "hang": []},
        }
        self._world.write_text(json.dumps(empty))

    def saved(self, archive: Path) -> list[str]:
        """Return the names of the images in an archive that the fake wrote, sorted."""
        with tarfile.open(archive) as tar:
            file = tar.extractfile("manifest.json")
            assert file is not None
            return sorted(entry["RepoTags"][0] for entry in json.load(file))

    @property
    def world(self) -> dict[str, Any]:
        """What the engine has."""
        found: dict[str, Any] = json.loads(self._world.read_text())
        return found

    def change(self, **parts: Any) -> None:
        """Change parts of the world."""
        self._world.write_text(json.dumps(self.world | parts))

    def fail(self, match: str, stderr: str, *, times: int = 1, code: int = 1) -> None:
        """Let the next calls that contain a text fail."""
        self.change(fail=[{"match": match, "stderr": stderr, "times": times, "exit": code}])

    def calls(self, *starts: str) -> list[list[str]]:
        """Return the command lines so far, oldest first: all, or those that start with one of the texts."""
        journal = self.directory / "journal"
        lines = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
        return [line for line in lines if not starts or " ".join(line).startswith(starts)]

    def forget(self) -> None:
        """Forget the calls so far."""
        (self.directory / "journal").unlink(missing_ok=True)
