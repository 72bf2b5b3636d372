"""Tell people that a job did not end well: by e-mail, by a webhook.

What must stay secret (the address of the webhook, name and password of the mail server) comes from
the environment alone, and is never written down or printed.
"""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

from curate.core.config import Jobs
from curate.core.names import printable

WEBHOOK, USER, PASSWORD = "CURATE_WEBHOOK", "CURATE_SMTP_USER", "CURATE_SMTP_PASSWORD"
"""Variables of the environment: where to POST; who sends mail."""

PATIENCE = 10.0
"""Seconds that a server may take."""

_IMPLICIT_TLS = 465


class _Refused(Exception):
    """It was not told; the text says why, without secrets."""


def notify(settings: Jobs, subject: str, text: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """Tell all who want to know. Nothing is raised: the job's own failure is what counts.

    Parameters
    ----------
    settings : Jobs
        `[jobs]` of curate.toml: to whom mail goes, and over which server.
    subject, text : str
        For people.
    facts : mapping
        For programs: goes to the webhook beside `text`, as JSON.

    Returns
    -------
    dict of str to str
        For ``mail`` and ``webhook``, as far as they are asked for: ``sent``, or why not.
    """
    ways: dict[str, Callable[[], None]] = {}
    subject = printable(subject)
    if settings.mail:
        ways["mail"] = lambda: _mail(settings, subject, text)
    if url := os.environ.get(WEBHOOK):
        # Chats show `text`; whoever reads the rest is a program.
        ways["webhook"] = lambda: _post(url, {"text": f"{subject}\n{text}", **facts})
    return {name: _tried(way) for name, way in ways.items()}


def _tried(way: Callable[[], None]) -> str:
    try:
        way()
    except _Refused as error:
        return f"not sent: {error}"
    except (OSError, ValueError, smtplib.SMTPException, http.client.HTTPException) as error:
        # Not the whole message: it may hold the address, or what the server makes of a password.
        said = getattr(error, "strerror", None)
        return f"not sent: {type(error).__name__}" + (f", {said}" if said else "")
    return "sent"


def _post(url: str, content: Mapping[str, Any]) -> None:
    if not url.startswith(("https://", "http://")):
        raise _Refused(f"{WEBHOOK} is no http(s) address")
    body = json.dumps(content, default=str).encode()
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", "User-Agent": "curate"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise _Refused(f"the server answered {error.code}") from None


def _mail(settings: Jobs, subject: str, text: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.mail, settings.mail
    # A name of a file may hold what no mail can.
    message.set_content(text.encode(errors="backslashreplace").decode())
    host, _, port = settings.smtp.partition(":")
    user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
    with _server(host, int(port or 25)) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif user and not isinstance(server, smtplib.SMTP_SSL):
            raise _Refused("the server would take the password unencrypted")
        if user:
            server.login(user, password)
        server.send_message(message)


def _server(host: str, port: int) -> smtplib.SMTP:
    if port == _IMPLICIT_TLS:
        return smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, socket.gethostname(), timeout=PATIENCE)
