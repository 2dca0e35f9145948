"""A C2PA manifest in what leaves: other people's players say where a film comes from and that it was edited.

    DATA/keys/c2pa.root.pem   the ledger's own root certificate: hand it to whoever shall trust what it signs
    DATA/keys/c2pa.cert.pem   the signing certificate under it
    DATA/keys/c2pa.key.pem    its key (ECDSA, P-256)

Made at first use. No authority stands behind them, and no time stamp is fetched: the manifest names the clip in the
ledger, which stays the source of truth. Nothing here reaches for the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import c2pa
import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.errors import Malformed, Unavailable
from ledger.files import replace_file

ASSERTION: Final = "local.mingjian.lineage"
_YEARS: Final = 10
_FILES: Final = ("c2pa.root.pem", "c2pa.cert.pem", "c2pa.key.pem")
_EDITED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def root_file(data: Path) -> Path:
    """The ledger's own root certificate (PEM), made with its chain when there is none."""
    _make_chain(data / "keys")
    return data / "keys" / _FILES[0]


def _make_chain(folder: Path) -> None:
    root_path, cert_path, key_path = (folder / name for name in _FILES)
    if key_path.exists():
        return
    now = datetime.now(UTC).replace(microsecond=0)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name("Mingjian ledger root"), _name("Mingjian ledger footage")
    root = (
        _begun(root_name, root_name, root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, SHA256())
    )
    cert = (
        _begun(name, root_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, SHA256())
    )
    replace_file(root_path, root.public_bytes(Encoding.PEM), durable=True)
    replace_file(cert_path, cert.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM), durable=True)
    # The key last: with it the chain is whole. The root's own key is kept nowhere: it has signed what it is for.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(key_path, pem, durable=True, private=True)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mingjian"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


def _begun(name: x509.Name, issuer: x509.Name, key: Any, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def sign_film(data: Path, source: Path, out: Path, lineage: Mapping[str, Any]) -> None:
    """Write ``source`` to ``out`` with a manifest in it that says it was redacted, and ``lineage``."""
    _make_chain(data / "keys")
    _, cert, key = ((data / "keys" / name).read_bytes() for name in _FILES)
    manifest = {
        "claim_generator_info": [{"name": "Mingjian", "version": "0.1.0"}],
        "title": out.name,
        "format": "video/mp4",
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {
                    "actions": [
                        {"action": "c2pa.created", "digitalSourceType": _EDITED},
                        {"action": "c2pa.edited", "description": "faces covered"},
                    ]
                },
            },
            {"label": ASSERTION, "data": dict(lineage)},
        ],
    }
    try:
        info = c2pa.C2paSignerInfo("es256", cert, key, None)
        with (
            c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": False}}) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(manifest, context) as builder,
            source.open("rb") as read,
            out.open("w+b") as write,
        ):
            builder.sign(signer, "video/mp4", read, write)
    except c2pa.C2paError as error:
        raise Unavailable(f"the C2PA manifest could not be made: {error}", code="c2pa") from error


def read_film(path: Path, root: Path) -> dict[str, Any]:
    """What the library's own reader says of a film under that root: ``{"state", "lineage", "problems"}``."""
    settings = {
        "trust": {"trust_anchors": root.read_text("ascii")},
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    try:
        with (
            path.open("rb") as file,
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader("video/mp4", file, context=context) as reader,
        ):
            body = orjson.loads(reader.json())
            state = str(reader.get_validation_state())
    except c2pa.C2paError as error:
        raise Malformed(f"{path.name} has no C2PA manifest that can be read: {error}", code="c2pa") from error
    active = body["manifests"][body["active_manifest"]]
    lineage = next((one["data"] for one in active["assertions"] if one["label"] == ASSERTION), None)
    return {
        "state": state,
        "lineage": lineage,
        "problems": [one["code"] for one in body.get("validation_status", ())],
    }
