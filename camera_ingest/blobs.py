"""Files by name in a store: a local folder, or any that speaks S3, so that footage outgrows the machine.

    DATA/footage/store.json    {"url", "endpoint", "keep_hours", "lock"}
    MINGJIAN_BLOBS …_ENDPOINT …_KEEP_HOURS …_LOCK    the same by environment, which goes before the file

Credentials come by the usual AWS variables and stand nowhere else: an address that holds some is refused.

Promise: what was put can be read, whole or by range; ``destroy`` leaves no version behind; ``lock`` returns when the
store has said until when it keeps the object. A store that does not answer is ``Unavailable``, never "not there".
Memory is bounded: what is put is read from its file by parts, what is read comes in parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import orjson

from ledger.errors import Malformed, NotFound, Refused, Unavailable
from ledger.files import replace_file

PART_BYTES: Final = 8 << 20
_PARTS_AT_ONCE: Final = 2
KEEP_HOURS: Final = 24.0
LOCKS: Final = ("governance", "compliance")
_FIELDS: Final = ("url", "endpoint", "keep_hours", "lock")
_SETTINGS: Final = "store.json"
_PROBE: Final = "mingjian-probe"
# Of a store that is down, one wants to hear soon: what is carried is carried again.
_RETRY: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}
_CONNECT_S, _READ_S = 5, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which store; ``keep_hours``: how long a local copy stays, once its copy in the store was read back."""

    url: str
    endpoint: str | None = None
    keep_hours: float = KEEP_HOURS
    lock: Literal["governance", "compliance"] | None = None

    @property
    def is_s3(self) -> bool:
        """Whether it speaks S3."""
        return self.url.startswith("s3://")


def read_settings(data: Path) -> Settings | None:
    """The store of a data folder; None where footage stays on the machine."""
    try:
        said = orjson.loads((data / "footage" / _SETTINGS).read_bytes())
    except FileNotFoundError:
        said = {}
    except orjson.JSONDecodeError as error:
        raise _wrong(f"is not JSON: {error}") from error
    if not isinstance(said, dict) or not said.keys() <= set(_FIELDS):
        raise _wrong(f"has other members than {', '.join(_FIELDS)}")
    for name in _FIELDS:
        variable = "MINGJIAN_BLOBS" if name == "url" else f"MINGJIAN_BLOBS_{name.upper()}"
        if os.environ.get(variable):
            said[name] = os.environ[variable]
    if said and os.environ.get("AWS_ENDPOINT_URL"):
        said.setdefault("endpoint", os.environ["AWS_ENDPOINT_URL"])
    return check_settings(said) if said else None


def check_settings(said: dict[str, Any]) -> Settings:
    """Settings as they were said (Malformed what none can be)."""
    given = {name: value for name, value in said.items() if value is not None}
    try:
        found = Settings(**given | {"keep_hours": float(given.get("keep_hours", KEEP_HOURS))})
        parts = urlsplit(found.url)
        endpoint = urlsplit(found.endpoint or "")
    except (TypeError, ValueError) as error:
        raise _wrong(f"cannot be read: {error}") from error
    if "@" in parts.netloc or "@" in endpoint.netloc or parts.query or endpoint.query:
        raise _wrong("holds credentials in an address", "give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if parts.scheme not in ("s3", "file") or not (parts.netloc if found.is_s3 else parts.path):
        raise _wrong(f"names {found.url!r:.80}")
    if found.lock is not None and (found.lock not in LOCKS or not found.is_s3):
        raise _wrong(
            f"asks for the lock {found.lock!r:.40}", "governance or compliance, of an s3:// bucket with object lock"
        )
    if not 0 <= found.keep_hours < 1e6:
        raise _wrong("keeps local copies for an absurd time")
    return found


def write_settings(data: Path, settings: Settings) -> None:
    """Have a data folder's footage carried to that store."""
    folder = data / "footage"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = {name: value for name, value in asdict(settings).items() if value is not None}
    replace_file(folder / _SETTINGS, orjson.dumps(said, option=orjson.OPT_INDENT_2), durable=True, private=True)


def _wrong(what: str, mend: str = "an address like s3://bucket/prefix or file:///path") -> Malformed:
    return Malformed(f"the setting of the store {what}", code="store-settings", mend=mend)


class Blobs:
    """One store. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        parts = urlsplit(settings.url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")

    @cached_property
    def _store(self) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, S3Store

        try:
            if not self.settings.is_s3:
                return LocalStore(prefix=urlsplit(self.settings.url).path, mkdir=True)
            more = {} if self.settings.endpoint is None else {"endpoint": self.settings.endpoint}
            return S3Store(
                self._bucket,
                prefix=self._prefix or None,
                client_options={
                    "allow_http": (self.settings.endpoint or "").startswith("http://"),
                    "connect_timeout": timedelta(seconds=_CONNECT_S),
                    "timeout": timedelta(seconds=_READ_S),
                },
                retry_config=_RETRY,  # type: ignore[arg-type]
                **more,  # type: ignore[arg-type]
            )
        except (BaseError, OSError, ValueError) as error:
            raise self._down(error) from error

    @cached_property
    def _s3(self) -> Any:
        """For what only S3 has: versions and locks."""
        from botocore.config import Config
        from botocore.session import get_session

        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"max_attempts": 2},
            s3={"addressing_style": "auto" if self.settings.endpoint is None else "path"},
        )
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return get_session().create_client("s3", endpoint_url=self.settings.endpoint, region_name=region, config=config)

    def url(self, name: str) -> str:
        """What people call the object."""
        return f"{self.settings.url.rstrip('/')}/{name}"

    def put(self, name: str, path: Path) -> None:
        """Store a file's bytes under a name; what is there goes, or becomes an older version."""
        import obstore

        with self._answering():
            obstore.put(self._store, name, path, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    def chunks(self, name: str) -> Iterator[bytes]:
        """An object's bytes in parts (NotFound)."""
        import obstore

        with self._answering(name):
            for part in obstore.get(self._store, name).stream(min_chunk_size=1 << 20):
                yield bytes(part)

    def read(self, name: str, start: int, end: int) -> bytes:
        """The bytes from ``start`` up to ``end`` (NotFound)."""
        import obstore

        with self._answering(name):
            return bytes(obstore.get_range(self._store, name, start=start, end=end))

    def size(self, name: str) -> int | None:
        """How long an object is; None where there is none."""
        import obstore

        try:
            with self._answering(name):
                return int(obstore.head(self._store, name)["size"])
        except NotFound:
            return None

    def names(self, prefix: str) -> Iterator[str]:
        """The names below a prefix that ends in a slash."""
        import obstore

        with self._answering():
            for page in obstore.list(self._store, prefix):
                yield from (str(one["path"]) for one in page)

    # ------------------------------------------------------------------------------------------- versions and locks

    def locked_until(self, name: str) -> int | None:
        """Until when (µs) the store lets nobody destroy the object; None where it has no lock."""
        if not self.settings.is_s3:
            return None
        with self._answering(name):
            said = self._s3.head_object(Bucket=self._bucket, Key=self._key(name))
        if said.get("ObjectLockLegalHoldStatus") == "ON":
            return round(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1e6)
        until = said.get("ObjectLockRetainUntilDate")
        return None if until is None else round(until.timestamp() * 1e6)

    def lock(self, name: str, until_us: int) -> None:
        """See that the object is locked at least until then, by the bucket's own rule or by one for it alone."""
        if self.settings.lock is None or (self.locked_until(name) or 0) >= until_us:
            return
        # Up to a whole second: the store keeps no smaller part, and must not keep less.
        until = datetime.fromtimestamp(-(-until_us // 1_000_000), UTC)
        with self._answering(name):
            self._s3.put_object_retention(
                Bucket=self._bucket,
                Key=self._key(name),
                Retention={"Mode": self.settings.lock.upper(), "RetainUntilDate": until},
            )
        if (self.locked_until(name) or 0) < until_us:
            raise _unlocked(f"{self.url(name)} is not locked until {until.isoformat()}, though the store said so")

    def hold(self, name: str, *, on: bool) -> None:
        """Put a legal hold on the object, or take it off (NotFound); Unavailable where it is not so after."""
        status = "ON" if on else "OFF"
        with self._answering(name):
            self._s3.put_object_legal_hold(Bucket=self._bucket, Key=self._key(name), LegalHold={"Status": status})
            said = self._s3.get_object_legal_hold(Bucket=self._bucket, Key=self._key(name))
        if said["LegalHold"]["Status"] != status:
            raise Unavailable(f"{self.url(name)} has another legal hold than the store was asked for", code="store")

    def destroy(self, name: str) -> None:
        """Destroy an object with all its versions; Refused while it is locked."""
        import obstore

        if not self.settings.is_s3:
            try:
                with self._answering(name):
                    obstore.delete(self._store, name)
            except NotFound:
                pass
            return
        key = self._key(name)
        with self._answering(name):
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
            found = [
                one["VersionId"]
                for page in pages
                for one in page.get("Versions", []) + page.get("DeleteMarkers", [])
                if one["Key"] == key
            ]
            for version in found:
                self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

    def check(self) -> None:
        """See that one can write, read and destroy here and, where that was asked for, lock."""
        if self.settings.lock is not None:
            self.check_lock()
        if self.size(_PROBE) is None:
            import obstore

            with self._answering():
                obstore.put(self._store, _PROBE, b"mingjian")
        if b"".join(self.chunks(_PROBE)) != b"mingjian":
            raise Unavailable(f"{self.settings.url} gives back other bytes than it was given", code="store")

    def check_lock(self) -> None:
        """Refuse (Refused) where the bucket can lock nothing."""
        from botocore.exceptions import ClientError

        try:
            with self._answering():
                said = self._s3.get_object_lock_configuration(Bucket=self._bucket)
        except Refused:
            raise
        except Unavailable as error:
            if isinstance(error.__cause__, ClientError) and "ObjectLock" in str(error.__cause__):
                raise _unlocked(f"{self.settings.url} has no object lock") from error
            raise
        if said["ObjectLockConfiguration"].get("ObjectLockEnabled") != "Enabled":
            raise _unlocked(f"{self.settings.url} has no object lock")

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    @contextmanager
    def _answering(self, name: str = "") -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:  # which the library's own NotFoundError is, too
            raise self._missing(name) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("404", "NoSuchKey"):
                raise self._missing(name) from error
            raise self._down(error) from error
        except (BaseError, BotoCoreError, OSError) as error:
            raise self._down(error) from error

    def _missing(self, name: str) -> NotFound:
        return NotFound(
            f"{self.url(name)} is not in the store",
            code="blob-missing",
            mend="mingjian-camera check names what is missing",
        )

    def _down(self, error: Exception) -> Unavailable:
        # The first line alone: what follows repeats requests, and those may hold what is nobody's business.
        told = next(iter(str(error).splitlines()), "")[:200]
        return Unavailable(
            f"the store {self.settings.url} does not do what it is asked: {told}",
            code="store",
            mend="recording goes on; look at the store, its address and the AWS variables",
        )


def _unlocked(what: str) -> Refused:
    return Refused(what, code="store-lock", mend="make the bucket with object lock, or take away the setting `lock`")
