"""TLS for tests: an authority of one's own, and a server of its in front of a plain one, as a proxy would be."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

HERE = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")])

REFUSED = b"\r\n".join(
    (b"HTTP/1.1 401 Unauthorized", b'WWW-Authenticate: Basic realm="test"', b"Content-Length: 0", b"Connection: close")
)


def signed_for_here(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that is its own authority, for 127.0.0.1, and its key; return where."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rayfed test")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(HERE, False).add_extension(x509.BasicConstraints(True, None), True)
    files = folder / "node.pem", folder / "node.key"
    files[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def signed_by_an_authority(folder: Path) -> tuple[Path, Path, Path]:
    """Write an authority's certificate, one of its for 127.0.0.1, and that one's key; return where."""
    authority = signed_for_here(folder)
    known = x509.load_pem_x509_certificate(authority[0].read_bytes())
    signer = load_pem_private_key(authority[1].read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rayfed test server")])
    made = x509.CertificateBuilder(known.subject, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(known.not_valid_before_utc).not_valid_after(known.not_valid_after_utc)
    made = made.add_extension(HERE, False).add_extension(x509.BasicConstraints(False, None), True)
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(made.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return authority[0], *files


@contextmanager
def in_front_of(url: str, certificate: Path, key: Path, asks_for: str = "") -> Iterator[str]:
    """Serve a plain ``http://`` server by TLS on another port; yield its ``https://`` address.

    Args:
        asks_for: ``USER:PASSWORD`` that the first request of each connection has to give.
    """
    wanted = b"authorization: basic " + base64.b64encode(asks_for.encode())
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n") if asks_for else b""
            if asks_for and wanted.lower() not in head.lower():
                writer.write(REFUSED + b"\r\n\r\n")
                writer.close()
                return
            far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except (OSError, EOFError):
            writer.close()
            return
        far_writer.write(head)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    async def begin() -> asyncio.Server:
        return await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)

    thread = threading.Thread(target=loop.run_forever, name="tls", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """End a server, and all connections."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # the other side has hung up
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
