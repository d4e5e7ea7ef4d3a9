"""nginx that answers every poll with 204: the least that a good server does for a short poll."""

import contextlib
import resource
import shutil
import socket

from child import SERVER_CORE, Child
from place import ROOT
from plan import Missing

# Descriptors of its worker, at most.
FILES = 10_000
START_WAIT_S = 10
SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"


def missing():
    """None when it is installed."""
    return None if program() else Missing("nginx", "it is not installed", "apt-get install nginx-light")


@contextlib.contextmanager
def started(folder):
    """Gives the process and its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    files = min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    text = (ROOT / "scripts" / "bench" / "nginx-204.conf.in").read_text()
    for name, value in {"FILES": files, "FOLDER": folder.resolve(), "PORT": port}.items():
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    words = [program(), "-e", "stderr", "-p", folder.resolve(), "-c", (folder / "nginx.conf").resolve()]
    with Child(words, folder, SERVER_CORE) as child:
        child.wait_until(lambda: listens(port), "it listened", START_WAIT_S)
        yield child, f"http://127.0.0.1:{port}"


def program():
    return shutil.which("nginx") or shutil.which("nginx", path=SBIN)


def free_port():
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
