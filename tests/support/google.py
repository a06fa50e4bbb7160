"""Google's login and Vertex on loopback, behind certificates of a throw-away authority.

`Google` answers for every host of `HOSTS`; `Proxy` tunnels to it whatever host is asked for, and
`Detour` does the same below a client, without any proxy. Nothing of google-auth is replaced.
"""

import contextlib
import datetime
import ipaddress
import json
import socket
import socketserver
import ssl
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

LOGIN = "oauth2.googleapis.com"
STS = "sts.googleapis.com"
IAM = "iamcredentials.googleapis.com"
VERTEX = "us-central1-aiplatform.googleapis.com"
HOSTS = (LOGIN, STS, IAM, VERTEX)

ACCOUNT = "tuner@acme-ml.iam.gserviceaccount.com"
IMPERSONATION = f"https://{IAM}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/p"
AUDIENCE = f"//iam.googleapis.com/{POOL}/providers/g"
REFRESH_TOKEN = "1//0canary-refresh-token"
CLIENT_SECRET = "canary-client-secret-of-nobody"
SUBJECT = "eyJjYW5hcnkiOiJzdWJqZWN0In0.eyJzdWIiOiJyZXBvOmFjbWUifQ.c2lnbmF0dXJl"
REQUEST_TOKEN = "canary-request-token-of-the-runner"


@dataclass(frozen=True)
class Seen:
    """One request as it was received."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Google:
    """What the service knows, has issued and has seen."""

    key: rsa.RSAPrivateKey
    issued: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    lifetimes: list[int] = field(default_factory=list)
    """The seconds that the next tokens live; an hour when there is none left."""
    refuse: Callable[[Seen], tuple[int, Any] | None] = lambda _: None
    port: int = 0

    def hosts(self) -> list[str]:
        return [one.host for one in self.seen]

    def answer(self, seen: Seen) -> tuple[int, Any]:
        self.seen.append(seen)
        if refused := self.refuse(seen):
            return refused
        if seen.host == LOGIN:
            return self._login(parse_qs(seen.body))
        if seen.host == STS:
            given = parse_qs(seen.body)["subject_token"]
            return self._token(given == [SUBJECT], "sts")
        if seen.host == IAM:
            return self._impersonated(seen)
        if seen.host == VERTEX:
            return self._vertex(seen)
        return 404, {}

    def _login(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        if "assertion" in form:
            return self._token(self._signed(form["assertion"][0]), "account")
        wanted = [REFRESH_TOKEN, CLIENT_SECRET]
        return self._token([form["refresh_token"][0], form["client_secret"][0]] == wanted, "user")

    def _signed(self, assertion: str) -> bool:
        message, _, signature = assertion.rpartition(".")
        claims = json.loads(_decoded(message.partition(".")[2]))
        public = self.key.public_key()
        public.verify(_decoded(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256())
        return bool(
            claims["iss"] == ACCOUNT and claims["scope"].endswith(("/cloud-platform", "/iam"))
        )

    def _token(self, good: bool, kind: str) -> tuple[int, Any]:
        if not good:
            return 400, {"error": "invalid_grant", "error_description": "Bad Request"}
        token, seconds = self._issue(kind)
        return 200, {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}

    def _issue(self, kind: str) -> tuple[str, int]:
        self.issued.append(f"ya29.canary-{kind}-{len(self.issued)}")
        return self.issued[-1], self.lifetimes.pop(0) if self.lifetimes else 3600

    def _impersonated(self, seen: Seen) -> tuple[int, Any]:
        if seen.bearer not in self.issued or not seen.path.endswith(":generateAccessToken"):
            return 403, _refusal(403, "PERMISSION_DENIED", "no token creator")
        token, seconds = self._issue("impersonated")
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        return 200, {"accessToken": token, "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _vertex(self, seen: Seen) -> tuple[int, Any]:
        if seen.bearer not in self.issued or seen.bearer in self.revoked:
            return 401, _refusal(401, "UNAUTHENTICATED", "Request had invalid credentials.")
        name = "projects/123456789012/locations/us-central1/tuningJobs/7"
        job = {"name": name, "state": "JOB_STATE_PENDING", "createTime": "2026-11-20T09:00:00Z"}
        return 200, job if seen.method == "POST" or seen.path.endswith("/7") else {}


def _refusal(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message}}


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- servers -------------------------------------------------------------------------------------


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us is no news."""


def _handler(answer: Callable[[Seen], tuple[int, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            host = headers.get("host", "").partition(":")[0]
            body = self.rfile.read(length).decode()
            status, document = answer(Seen(host, self.command, self.path, headers, body))
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def served(
    answer: Callable[[Seen], tuple[int, Any]], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve on a port of this machine, with TLS if there is a context for it."""
    with _Quiet(("127.0.0.1", 0), _handler(answer)) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        with _running(server):
            yield server.server_address[1]


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class Proxy:
    """A proxy that tunnels to one port whatever host is asked for, and notes what it was told."""

    def __init__(self, port: int) -> None:
        self.heads: list[str] = []
        self.refuse = False
        self.url = ""
        self._port = port

    @property
    def targets(self) -> list[str]:
        return [head.split(" ")[1].partition(":")[0] for head in self.heads]

    def handle(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (block := connection.recv(65536)):
            head += block
        self.heads.append(head.decode())
        if self.refuse or not head.startswith(b"CONNECT "):
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._port)) as inner:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(inner, connection))
            back.start()
            _pump(connection, inner)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            sink.sendall(block)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy in front of a port of this machine."""
    proxy = Proxy(port)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                proxy.handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server, _running(server):
        proxy.url = f"http://someone:canary-password@127.0.0.1:{server.server_address[1]}"
        yield proxy


class Detour(httpx.BaseTransport):
    """Sends what is meant for Google's hosts to loopback, and refuses every other stranger."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._inner = httpx.HTTPTransport(verify=context)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host in HOSTS:
            request = httpx.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1", port=self._port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
        else:
            assert host == "127.0.0.1", f"{host} was asked"
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


# --- certificates --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A throw-away authority, and the one server that it vouches for."""

    file: Path
    server: ssl.SSLContext

    @property
    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


def authority(folder: Path) -> Authority:
    """Make an authority and a certificate for `HOSTS` and loopback."""
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOSTS]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    root = _certificate(key, key, x509.BasicConstraints(ca=True, path_length=0))
    leaf = _certificate(own, key, x509.SubjectAlternativeName(names))
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(_pem(own) + leaf.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder / "ca.pem", context)


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    issuer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(named("root" if key is issuer else "server"))
        .issuer_name(named("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(extension, critical=key is issuer)
        .sign(issuer, hashes.SHA256())
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


# --- credential files ----------------------------------------------------------------------------


def credential_files(google: Google, folder: Path, identity_url: str) -> dict[str, dict[str, Any]]:
    """One credential file of every kind, as Google's tools write them."""
    (folder / "subject.txt").write_text(SUBJECT)
    (folder / "subject.json").write_text(json.dumps({"id_token": SUBJECT}))
    as_json = {"type": "json", "subject_token_field_name": "id_token"}
    account = {
        "type": "service_account",
        "project_id": "acme-ml",
        "private_key_id": "k",
        "private_key": _pem(google.key).decode(),
        "client_email": ACCOUNT,
        "token_uri": f"https://{LOGIN}/token",
    }
    user = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "quota_project_id": "acme-ml",
    }
    impersonated = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": IMPERSONATION,
        "delegates": [],
        "quota_project_id": "acme-ml",
    }
    federated = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"https://{STS}/v1/token",
    }
    by_url = {
        "url": identity_url,
        "headers": {"Authorization": f"Bearer {REQUEST_TOKEN}"},
        "format": as_json,
    }
    of_account = {"service_account_impersonation_url": IMPERSONATION}
    return {
        "service account": account,
        "user": user,
        "impersonated by a user": impersonated | {"source_credentials": user},
        "impersonated by an account": impersonated | {"source_credentials": account},
        "federated by a file": federated
        | {"credential_source": {"file": str(folder / "subject.txt")}},
        "federated by a JSON file, impersonated": federated
        | of_account
        | {"credential_source": {"file": str(folder / "subject.json"), "format": as_json}},
        "federated by a URL": federated | {"credential_source": by_url},
        "federated by a URL, impersonated": federated | of_account | {"credential_source": by_url},
    }
