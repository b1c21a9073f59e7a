"""Sign and check notes: a text that a person can read, with the signatures of Ed25519 keys below it.

The form is that of C2SP signed-note, so that other tools (Go's `sumdb/note`, witnesses) check what we sign:
the text, an empty line, and a line `— NAME BASE64(key id ‖ signature)` for each signature.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from green.errors import StoreError, UsageError, Where

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"  # the algorithm byte of a key, by C2SP signed-note
ID_BYTES, PUBLIC_BYTES, SIGNATURE_BYTES, MOST_BYTES = 4, 32, 64, 1_000_000
PRIVATE = 0o600


class BadNoteError(ValueError):
    """A text that is no signed note, or a key that is none."""


@dataclass(frozen=True)
class Verifier:
    """A public key with its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that a signature line names the key by."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    def accepts(self, text: str, signature: bytes) -> bool:
        """Tell whether this key made the signature of the text."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- 40 ms, only where a note is checked
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 -- likewise

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signature:
    """A line below a note: who signed, by name and key id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes


def verifier(text: str) -> Verifier:
    """Read a public key as it is published, `NAME+ID+KEY`."""
    name, _, rest = text.strip().partition("+")
    key_id, _, key = rest.partition("+")
    raw = decoded(key)
    found = Verifier(name, raw[1:])
    if raw[:1] != ED25519 or len(found.public) != PUBLIC_BYTES or not _is_name(name) or found.key_id.hex() != key_id:
        raise BadNoteError("this is no Ed25519 key in the form NAME+ID+KEY")
    return found


def parse(content: bytes) -> tuple[str, list[Signature]]:
    """Split a signed note into its text and its signatures."""
    if len(content) > MOST_BYTES:
        raise BadNoteError("it is longer than any checkpoint")
    try:
        whole = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadNoteError("it is no UTF-8 text") from error
    text, found, below = whole.rpartition("\n\n")
    if not found or not below.endswith("\n") or any(ord(letter) < ord(" ") and letter != "\n" for letter in whole):
        raise BadNoteError("it is no signed note")
    signatures = []
    for line in below.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, value = rest.partition(" ")
        raw = decoded(value)
        if dash != "—" or not _is_name(name) or len(raw) <= ID_BYTES:
            raise BadNoteError("a line of its signatures is none")
        signatures.append(Signature(name, raw[:ID_BYTES], raw[ID_BYTES:]))
    return text + "\n", signatures


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return a text as a note signed by a key under a name."""
    line = base64.b64encode(public_of(key, name).key_id + key.sign(text.encode())).decode()
    return f"{text}\n— {name} {line}\n"


def public_of(key: Ed25519PrivateKey, name: str) -> Verifier:
    """Return the public half of a key, under a name."""
    return Verifier(name, key.public_key().public_bytes_raw())


def own_key() -> Path:
    """Return where the key of this person lies: below the configuration of the user, never beside a store."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "green" / "checkpoint.pem"


def load_key(path: Path) -> Ed25519PrivateKey:
    """Load a private key that nobody else can read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 -- as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 -- as above

    where = Where(str(path))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError("others may read the signing key", where=where, mend=f"chmod 600 {path}, or make a new key")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise UsageError("this is no private key without a passphrase", where=where, mend="a PEM of PKCS #8") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("the signing key is not Ed25519", where=where, mend="let `green checkpoint` make one")
    return key


def make_key(path: Path) -> Ed25519PrivateKey:
    """Make a private key that only its owner can read; an existing file is never overwritten."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 -- as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 -- as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with open(number, "wb") as stream:  # noqa: PTH123 -- a descriptor with its mode
            stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StoreError(
            f"the key cannot be written: {error.strerror}", where=Where(str(path)), mend="--key"
        ) from error
    return key


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def decoded(text: str) -> bytes:
    """Decode base64, and refuse a second spelling of the same bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNoteError("a part of it is no base64") from error
    if base64.b64encode(raw).decode() != text:
        raise BadNoteError("a part of it is no base64")
    return raw
