"""Telling people: it is sent, secrets stay secret, and what fails to be sent hides nothing."""

from __future__ import annotations

import json
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from curate.core.config import Jobs
from curate.schedules import notify as module
from curate.schedules.notify import PASSWORD, USER, WEBHOOK, notify

FACTS = {"job": "cleanup", "exit": 4}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (WEBHOOK, USER, PASSWORD, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def web(status: int) -> Iterator[tuple[str, list[Any]]]:
    """A server that takes posts, and what it was sent."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/s3cret", got
        server.shutdown()
        thread.join()


def mail_server(connection: socket.socket, got: list[str], extensions: str) -> None:
    """Speak SMTP for one message, as far as a client of ours needs it."""
    with connection, connection.makefile("rw", newline="\r\n") as file:

        def say(text: str) -> None:
            file.write(f"{text}\n")
            file.flush()

        say("220 here")
        for line in file:
            command = line.split()[0].upper()
            got.append(line.strip())
            if command == "EHLO":
                say(f"250-here\n250 {extensions}")
            elif command == "DATA":
                say("354 go on")
                while (text := next(file).rstrip("\r\n")) != ".":
                    got.append(text)
                say("250 taken")
            elif command == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


@contextmanager
def post_office(extensions: str = "SIZE") -> Iterator[tuple[str, list[str]]]:
    got: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(
            target=lambda: mail_server(listening.accept()[0], got, extensions)
        )
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", got
        thread.join(5)


def test_nobody_asked_and_nobody_is_told() -> None:
    assert notify(Jobs(), "subject", "text", FACTS) == {}


def test_a_webhook_gets_json_that_chats_show(monkeypatch: pytest.MonkeyPatch) -> None:
    with web(204) as (url, got):
        monkeypatch.setenv(WEBHOOK, url)
        assert notify(Jobs(), "it stopped\nnow", "why", FACTS) == {"webhook": "sent"}
    ((kind, body),) = got
    assert kind == "application/json"
    assert body == {"text": "it stopped\N{REPLACEMENT CHARACTER}now\nwhy", **FACTS}


def test_a_mail_says_what_happened() -> None:
    with post_office() as (smtp, got):
        settings = Jobs(mail="ann@example.org", smtp=smtp)
        # A line break in a subject would begin a header of its own.
        subject = "curate: cleanup of /srv/ü\nBcc: eve@example.org failed"
        assert notify(settings, subject, "why: a\udcff", FACTS) == {"mail": "sent"}
    assert "RCPT TO:<ann@example.org>" in " ".join(got).replace("rcpt", "RCPT")
    assert not [line for line in got if line.startswith("Bcc")]
    assert any("why: a\\udcff" in line for line in got)


def test_no_password_goes_over_an_open_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER, "ann")
    monkeypatch.setenv(PASSWORD, "s3cret")
    with post_office("AUTH PLAIN LOGIN") as (smtp, got):
        told = notify(Jobs(mail="ann@example.org", smtp=smtp), "s", "t", FACTS)
    assert told == {"mail": "not sent: the server would take the password unencrypted"}
    assert not [line for line in got if line.startswith("AUTH")]


def test_a_password_goes_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Server:
        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: Any) -> None: ...

        def ehlo(self) -> None: ...

        def has_extn(self, name: str) -> bool:
            return name == "starttls"

        def starttls(self, context: Any) -> None:
            calls.append(("starttls", context.check_hostname))

        def login(self, user: str, password: str) -> None:
            calls.append((user, password))

        def send_message(self, message: Any) -> None:
            calls.append(message["To"])

    monkeypatch.setenv(USER, "ann")
    monkeypatch.setenv(PASSWORD, "s3cret")
    monkeypatch.setattr(module, "_server", lambda host, port: Server())
    told = notify(Jobs(mail="ann@example.org", smtp="mail.example.org:587"), "s", "t", FACTS)
    assert told == {"mail": "sent"}
    assert calls == [("starttls", True), ("ann", "s3cret"), "ann@example.org"]


def test_the_port_of_mail_over_tls_is_spoken_to_in_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    def refuse(*arguments: Any, **options: Any) -> None:
        opened.append((arguments, options))
        raise smtplib.SMTPConnectError(421, "s3cret")

    monkeypatch.setattr(smtplib, "SMTP_SSL", refuse)
    told = notify(Jobs(mail="ann@example.org", smtp="mail.example.org:465"), "s", "t", FACTS)
    assert told == {"mail": "not sent: SMTPConnectError"}
    ((arguments, options),) = opened
    assert arguments == ("mail.example.org", 465)
    assert options["context"].check_hostname


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/s3cret", "not sent: "),
        ("file:///etc/s3cret", "not sent: CURATE_WEBHOOK is no http(s) address"),
        ("http://[s3cret", "not sent: "),
        ("http://127.0.0.1:s3cret/", "not sent: "),
    ],
)
def test_what_cannot_be_sent_is_said_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    monkeypatch.setenv(WEBHOOK, url)
    told = notify(Jobs(mail="ann@example.org", smtp="127.0.0.1:1"), "s", "t", FACTS)
    assert told["webhook"].startswith(reason)
    assert told["mail"].startswith("not sent: ")
    assert "s3cret" not in str(told)


def test_a_server_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with web(500) as (url, _):
        monkeypatch.setenv(WEBHOOK, url)
        assert notify(Jobs(), "s", "t", FACTS) == {"webhook": "not sent: the server answered 500"}
