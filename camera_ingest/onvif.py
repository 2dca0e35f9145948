"""Cameras found and asked by ONVIF: who answers on the network, and where each one's stream is read.

Promise: ``discover`` sends one WS-Discovery probe for video transmitters, to the networks that this machine is in or to
one address (routers keep multicasts to themselves), and lists who answered within the time given;
``ask`` says what one device is, how far its clock is off, and every profile with its address, the finest H.264 first.
Nothing at a device is changed. What it answers is foreign text: it is shown, and never used as a name or a path; an
address that is no stream's is left out.

The probe is our own: the libraries for it cannot ask one address, and lose a thread where a network is odd.

Source: WS-Discovery 1.0 §5, ONVIF Core §7.3 (discovery), ONVIF Media §5.2 and §5.15 (profiles, stream addresses).
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ledger.errors import Malformed, NotAllowed, NotFound, Unavailable

WAIT_S: Final = 3.0
TIMEOUT_S: Final = 10.0
_PORT: Final = 80
_DISCOVERY_PORT: Final = 3702
_GROUP: Final = "239.255.255.250"
_DATAGRAM: Final = 65_535
_AT_MOST: Final = 4096
_DISCOVERY: Final = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_SCOPE: Final = "onvif://www.onvif.org/"
# Recorded as it comes: whoever needs no transcoding to be looked at stands first.
_PLAYABLE: Final = ("H264", "H265")
_SCHEMES: Final = frozenset({"rtsp", "rtsps"})


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered a probe. ``address``: where it is asked."""

    address: str
    name: str
    hardware: str

    def as_json(self) -> dict[str, Any]:
        """``{"address", "name", "hardware"}``."""
        return {"address": self.address, "name": self.name, "hardware": self.hardware}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One stream that a device offers. ``url``: without the password."""

    token: str
    name: str
    encoding: str
    width: int
    height: int
    url: str

    def as_json(self) -> dict[str, Any]:
        """The profile as ``discover --json`` shows it."""
        return {name: getattr(self, name) for name in ("token", "name", "encoding", "width", "height", "url")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a device says of itself. ``clock_offset_us``: its clock less ours, None where it does not say."""

    manufacturer: str
    model: str
    firmware: str
    serial: str
    clock_offset_us: int | None
    profiles: list[Profile] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The device as ``discover --json`` shows it."""
        names = ("manufacturer", "model", "firmware", "serial", "clock_offset_us")
        return {name: getattr(self, name) for name in names} | {"profiles": [one.as_json() for one in self.profiles]}


def discover(*, at: str | None = None, wait_s: float = WAIT_S) -> list[Found]:
    """The video transmitters that answer within ``wait_s``, by address; ``at``: only the host asked directly."""
    found: dict[str, Found] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for source, target in [("", at)] if at is not None else [(one, _GROUP) for one in _own_addresses()]:
            channel = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                if at is None:
                    channel.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
                channel.sendto(_probe(), (target, _DISCOVERY_PORT))
            except OSError as error:
                raise Unavailable(
                    f"{target} cannot be asked: {error}",
                    code="no-network",
                    mend="mingjian-camera add ID --onvif HOST asks one camera",
                ) from error
            selector.register(channel, selectors.EVENT_READ)
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 and len(found) < _AT_MOST:
            for key, _ in selector.select(left):
                channel = cast(socket.socket, key.fileobj)
                with suppress(OSError):  # a port that is closed there says so here
                    found |= {one.address: one for one in _matches(channel.recv(_DATAGRAM))}
    return [found[address] for address in sorted(found)]


def _own_addresses() -> list[str]:
    import ifaddr

    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    return [one for one in found if isinstance(one, str) and not one.startswith("127.")]


def _probe() -> bytes:
    return (
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}">'
        f"<s:Header><a:Action>{_DISCOVERY}/Probe</a:Action><a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body><d:Probe>"
        '<d:Types xmlns:n="http://www.onvif.org/ver10/network/wsdl">n:NetworkVideoTransmitter</d:Types>'
        "</d:Probe></s:Body></s:Envelope>"
    ).encode()


def _matches(datagram: bytes) -> Iterator[Found]:
    """The devices that one answer names; what is no answer names none."""
    from lxml import etree

    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(datagram, parser=parser)
    except etree.XMLSyntaxError:
        return
    for match in root.iter(f"{{{_DISCOVERY}}}ProbeMatch"):
        scopes = (match.findtext(f"{{{_DISCOVERY}}}Scopes") or "").split()
        said = dict(scope.partition(_SCOPE)[2].partition("/")[::2] for scope in scopes if scope.startswith(_SCOPE))
        for address in (match.findtext(f"{{{_DISCOVERY}}}XAddrs") or "").split():
            yield Found(address, unquote(said.get("name", "")), unquote(said.get("hardware", "")))


def ask(address: str, *, user: str = "", password: str = "") -> Device:
    """What the device at ``address`` (HOST, HOST:PORT or its http address) offers.

    Unavailable when nothing answers, NotAllowed for a wrong password, Malformed when what answers is no camera.
    """
    host, port = _place(address)
    try:
        return asyncio.run(asyncio.wait_for(_ask(host, port, user, password), TIMEOUT_S))
    except TimeoutError:
        raise Unavailable(f"{host}:{port} did not answer within {TIMEOUT_S:.0f} s", code="camera-silent") from None


def with_password(url: str, user: str, password: str) -> str:
    """The address with name and password, as a player needs it; the name may stand in it already."""
    parts = urlsplit(url)
    named, _, host = parts.netloc.rpartition("@")
    name = quote(user, safe="") or named.partition(":")[0]
    if not name:
        return url
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}"))


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if not parts.hostname or port == 0:
        raise Malformed(f"{address!r:.80} is no address", code="camera-address", mend="write HOST or HOST:PORT")
    return parts.hostname, port or _PORT


async def _ask(host: str, port: int, user: str, password: str) -> Device:
    import aiohttp
    from onvif import ONVIFCamera
    from onvif.exceptions import ONVIFAuthError, ONVIFError
    from zeep.exceptions import Error as ZeepError
    from zeep.exceptions import Fault

    camera = ONVIFCamera(host, port, user, password)
    try:
        await camera.update_xaddrs()
        management = await camera.create_devicemgmt_service()
        information = await management.GetDeviceInformation()
        offset = await _clock_offset_us(management)
        media = await camera.create_media_service()
        profiles = [await _profile(media, one) for one in await media.GetProfiles()]
    except ONVIFAuthError as error:
        raise _not_let_in(host, port) from error
    except Fault as error:
        if "authoriz" in f"{error.message} {error.code} {error.subcodes}".lower():
            raise _not_let_in(host, port) from error
        raise _no_camera(host, port, error) from error
    except (ZeepError, ONVIFError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise _no_camera(host, port, error) from error
    except aiohttp.ClientResponseError as error:
        if error.status in (401, 403):
            raise _not_let_in(host, port) from error
        raise _no_camera(host, port, error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(
            f"{host}:{port} cannot be reached: {error}", code="camera-gone", mend="look at its cable and its address"
        ) from error
    finally:
        await camera.close()
    # An address that is no stream's could name a file of this machine.
    streams = [one for one in profiles if urlsplit(one.url).scheme in _SCHEMES]
    order = [one for kind in _PLAYABLE for one in streams if one.encoding == kind]
    order.sort(key=lambda one: (_PLAYABLE.index(one.encoding), -one.width * one.height))
    if not order:
        raise NotFound(
            f"{host}:{port} offers no stream in H.264 or H.265",
            code="camera-codec",
            mend="have its settings offer one of them",
        )
    return Device(
        manufacturer=str(information.Manufacturer or ""),
        model=str(information.Model or ""),
        firmware=str(information.FirmwareVersion or ""),
        serial=str(information.SerialNumber or ""),
        clock_offset_us=offset,
        profiles=order,
    )


async def _profile(media: Any, said: Any) -> Profile:
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    answer = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": said.token})
    video = said.VideoEncoderConfiguration
    return Profile(
        token=str(said.token),
        name=str(said.Name or ""),
        encoding="" if video is None else str(video.Encoding),
        width=0 if video is None else int(video.Resolution.Width),
        height=0 if video is None else int(video.Resolution.Height),
        url=str(answer.Uri),
    )


async def _clock_offset_us(management: Any) -> int | None:
    said = await management.GetSystemDateAndTime()
    now = datetime.now(UTC)
    moment = getattr(said, "UTCDateTime", None)
    if moment is None:
        return None
    day, time = moment.Date, moment.Time
    try:
        theirs = datetime(day.Year, day.Month, day.Day, time.Hour, time.Minute, min(time.Second, 59), tzinfo=UTC)
    except ValueError:  # an absurd time is the device's; what it records is measured by ours
        return None
    return round((theirs - now).total_seconds() * 1_000_000)


def _not_let_in(host: str, port: int) -> NotAllowed:
    return NotAllowed(
        f"{host}:{port} does not let us in: wrong name or password",
        code="camera-password",
        mend="--user NAME --password-file FILE",
    )


def _no_camera(host: str, port: int, error: Exception) -> Malformed:
    return Malformed(
        f"what answers at {host}:{port} is no ONVIF camera: {error!s:.200}",
        code="no-onvif",
        mend="add it by its stream's address: --url rtsp://…",
    )
