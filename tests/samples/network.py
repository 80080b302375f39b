"""Runs the sample policies that use the network, as a program in its own network and mount namespaces.

Nothing leaves the machine, every port is free, and any user can bind ports below 1024. Usage: ``python -m
tests.samples.network web|download DIRECTORY``; prints a JSON object for the test to check.
"""

import contextlib
import fcntl
import functools
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.samples.harness import environment, run_under, test_command

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40
_HOST = "files.example"


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))


def _in_background(function: Any, *arguments: Any) -> None:
    threading.Thread(target=function, args=arguments, daemon=True).start()


def _dns_answer(query: bytes) -> bytes:
    """Answer 127.0.0.1 to any A question, and nothing to others (RFC 1035, section 4)."""
    end = query.index(b"\0", 12) + 5
    is_a = query[end - 4 : end - 2] == b"\0\1"
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1") if is_a else b""
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0) + query[12:end] + answer


def _serve_dns() -> None:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 53))
    listener = socket.create_server(("127.0.0.1", 53))

    def answer_datagrams() -> None:
        while True:
            query, sender = datagrams.recvfrom(4096)
            datagrams.sendto(_dns_answer(query), sender)

    def answer_connections() -> None:
        while True:
            connection = listener.accept()[0]
            with connection, connection.makefile("rb") as stream:
                while header := stream.read(2):
                    reply = _dns_answer(stream.read(struct.unpack(">H", header)[0]))
                    connection.sendall(struct.pack(">H", len(reply)) + reply)

    _in_background(answer_datagrams)
    _in_background(answer_connections)


def _serve_files(directory: str, port: int, certificate: tuple[str, str] | None) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    _in_background(server.serve_forever)


def _certificate(directory: str) -> tuple[str, str]:
    files = os.path.join(directory, "certificate.pem"), os.path.join(directory, "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-out", files[0], "-keyout", files[1], "-days", "2"),
            *("-subj", f"/CN={_HOST}", "-addext", f"subjectAltName=DNS:{_HOST}"),
        ],
        check=True,
        capture_output=True,
    )
    return files


def _put_over(path: str, file: str) -> None:
    """Make ``path`` show the content of ``file``, in this mount namespace only."""
    subprocess.run(["mount", "--bind", file, path], check=True)


def _write(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def download(directory: str) -> dict[str, Any]:
    """Download by HTTPS with DNS over UDP, the same with DNS over TCP, then try plain HTTP on port 80."""
    served, home, work = (os.path.join(directory, name) for name in ("served", "home", "work"))
    for path in (served, home, work):
        os.mkdir(path)
    _write(os.path.join(served, "page"), "the page\n")
    certificate = _certificate(directory)
    _serve_dns()
    _serve_files(served, 443, certificate)
    _serve_files(served, 80, None)
    _put_over("/etc/resolv.conf", _write(os.path.join(directory, "resolv.conf"), "nameserver 127.0.0.1\n"))
    _put_over(
        "/etc/nsswitch.conf", _write(os.path.join(directory, "nsswitch.conf"), "passwd: files\nhosts: files dns\n")
    )
    _put_over("/etc/ssl/certs/ca-certificates.crt", certificate[0])
    curl = ("curl", "-q", "-sS")
    under = functools.partial(run_under, "downloader", cwd=work, home=home)
    reports = {
        "https": under((*curl, "-O", f"https://{_HOST}/page")),
        "dns_over_tcp": under((*curl, "-o", "second", f"https://{_HOST}/page"), RES_OPTIONS="use-vc"),
        "http": under((*curl, "-o", "third", f"http://{_HOST}/page")),
    }
    files = {}
    for name in sorted(os.listdir(work)):
        with open(os.path.join(work, name), encoding="utf-8") as file:
            files[name] = file.read()
    return {"reports": reports, "files": files}


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        for child in map(int, file.read().split()):
            yield child
            yield from _descendants(child)


def _is_server(pid: int) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().split(b"\0")[1:3] == [b"-m", b"http.server"]
    return False


def _fetch(path: str) -> list[Any]:
    until = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return [response.status, response.read().decode()]
        except ConnectionRefusedError:  # the server is not ready yet
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def web(directory: str) -> dict[str, Any]:
    """Serve a directory, fetch from it, and end the server as a user at the terminal would."""
    served, home = (os.path.join(directory, name) for name in ("served", "home"))
    os.mkdir(served)
    os.mkdir(home)
    _write(os.path.join(served, "index.html"), "the index\n")
    os.mkdir(os.path.join(served, "list"))
    _write(os.path.join(served, "list", "entry.txt"), "")
    os.symlink("/etc/passwd", os.path.join(served, "leak"))
    _put_over("/etc/nsswitch.conf", _write(os.path.join(directory, "nsswitch.conf"), "passwd: files\nhosts: files\n"))
    report = os.path.join(home, "report.json")
    command = test_command("static-web-server", report, ("python3", "-m", "http.server", "8080"))
    with subprocess.Popen(
        command, cwd=served, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as paddock:
        try:
            pages = {path: _fetch(path) for path in ("/", "/list/", "/leak")}
            for pid in _descendants(paddock.pid):
                if _is_server(pid):
                    os.kill(pid, signal.SIGINT)
            output = paddock.communicate(timeout=30)[0]
        finally:
            paddock.kill()
    with open(report, encoding="utf-8") as file:
        return {"report": json.load(file), "pages": pages, "output": output}


def main() -> None:
    """Bring loopback up, run the scenario, print its results."""
    _loopback_up()
    scenario = {"web": web, "download": download}[sys.argv[1]]
    json.dump(scenario(sys.argv[2]), sys.stdout)


if __name__ == "__main__":
    main()
