"""Opening a port of the home router by UPnP, with the library async-upnp-client.

An extra (``pip install 'soulmesh[upnp]'``): the library brings an HTTP client
along, and many routers speak NAT-PMP or PCP, which needs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from soulmesh.core.port_mapping import Lease
from soulmesh.net.port_mapping import MappingFailed

if TYPE_CHECKING:
    from async_upnp_client.client import UpnpService

__all__ = ["UpnpMapper"]

SEARCH_TIME = 3.0
"""Seconds in which routers may answer the search."""

REQUEST_TIME = 5.0
"""Seconds for one question to a router."""

LARGEST_ANSWER = 1 << 20
"""Bytes; descriptions of routers have some ten thousand."""

LIFETIME = 3600
"""Seconds asked for; renewed at half of it."""

_SEARCHED = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
_NO_ANSWER = {"UpnpConnectionError", "UpnpConnectionTimeoutError", "UpnpCommunicationError"}
_SERVICES = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
_DESCRIPTION = "soulmesh"

# The router keeps leases for ever or not at all (UPnP error 725, OnlyPermanentLeasesSupported).
_ONLY_PERMANENT = 725
_REASONS = {
    501: "it failed",
    606: "it does not let this machine open ports",
    718: "another machine has that port already: choose another one",
    724: "it gives a port only under the same number outside and inside",
    728: "it has no room for another port",
    729: "another machine has that port already: choose another one",
}


class UpnpMapper:
    """UPnP with the router that answers a search, or with the one described at ``location``.

    Args:
        local_address: our address in the local network; ``None`` finds it out.
        location: URL of the router's description, if it is known.
        search_target: where the search is sent instead of to everybody, for tests.
    """

    method = "UPnP"

    def __init__(
        self,
        *,
        local_address: str | None = None,
        location: str | None = None,
        search_target: tuple[str, int] | None = None,
    ) -> None:
        self._local_address = local_address
        self._location = location
        self._search_target = search_target

    async def keep(self, port: int, tell: Callable[[Lease], None]) -> NoReturn:
        """See :meth:`soulmesh.net.port_mapping.PortMapper.keep`."""
        try:
            from async_upnp_client.exceptions import UpnpError
        except ImportError as error:
            raise MappingFailed("UPnP: not installed (pip install 'soulmesh[upnp]')") from error
        try:
            locations = [self._location] if self._location else await self._search()
            service, client = await self._first_router(locations)
            lifetime = LIFETIME
            granted = False
            try:
                while True:
                    lifetime = await self._add(service, client, port, lifetime)
                    granted = True
                    tell(Lease(await _external(service), port, float(lifetime or LIFETIME), self.method))
                    await asyncio.sleep((lifetime or LIFETIME) / 2)
            finally:
                if granted:
                    # Leaving must not take long, even if the router is gone.
                    with contextlib.suppress(UpnpError, TimeoutError, OSError):
                        async with asyncio.timeout(3):
                            await service.action("DeletePortMapping").async_call(
                                NewRemoteHost="", NewExternalPort=port, NewProtocol="TCP"
                            )
        except MappingFailed:
            raise
        except Exception as error:
            # Anybody on the network can answer, and what the library makes of that has many types.
            raise MappingFailed(f"UPnP: {_reason(error)}") from error

    async def _search(self) -> list[str]:
        from async_upnp_client.search import async_search

        found: list[str] = []

        async def answered(headers: Any) -> None:
            location = str(headers.get("location", ""))
            # Anybody on the network can answer: only a machine on it is taken for a router.
            if _is_local(location) and location not in found and len(found) < 8:
                found.append(location)

        source = (self._local_address, 0) if self._local_address else None
        await async_search(
            answered,
            timeout=int(SEARCH_TIME),
            search_target=_SEARCHED,
            source=source,
            target=self._search_target,
        )
        if not found:
            raise MappingFailed("UPnP: no router answered the search")
        return found

    async def _first_router(self, locations: list[str]) -> tuple[UpnpService, str]:
        """The service that opens ports, and our address on its side."""
        from async_upnp_client.client_factory import UpnpFactory

        factory = UpnpFactory(_requester(), non_strict=True)
        problem: Exception = MappingFailed("UPnP: the router cannot open ports")
        for location in locations:
            try:
                device = await factory.async_create_device(location)
                services = {service.service_type: service for service in device.all_services}
                for kind in _SERVICES:
                    if kind in services and services[kind].has_action("AddPortMapping"):
                        return services[kind], self._local_address or await _address_towards(location)
            except Exception as error:
                problem = error
        raise problem

    async def _add(self, service: UpnpService, client: str, port: int, lifetime: int) -> int:
        """Open or renew the port; the lifetime granted, 0 for ever."""
        from async_upnp_client.exceptions import UpnpActionError

        async def add(seconds: int) -> None:
            await service.action("AddPortMapping").async_call(
                NewRemoteHost="",
                NewExternalPort=port,
                NewProtocol="TCP",
                NewInternalPort=port,
                NewInternalClient=client,
                NewEnabled=True,
                NewPortMappingDescription=_DESCRIPTION,
                NewLeaseDuration=seconds,
            )

        try:
            await add(lifetime)
        except UpnpActionError as error:
            if error.error_code != _ONLY_PERMANENT or not lifetime:
                raise
            await add(0)
            return 0
        return lifetime


def _requester() -> Any:
    """Asks by HTTP, and takes no more of an answer than a router has to say."""
    import aiohttp
    from async_upnp_client.client import UpnpRequester
    from async_upnp_client.const import HttpRequest, HttpResponse
    from async_upnp_client.exceptions import UpnpCommunicationError, UpnpConnectionError

    class Requester(UpnpRequester):
        async def async_http_request(self, http_request: HttpRequest) -> HttpResponse:
            try:
                async with (
                    asyncio.timeout(REQUEST_TIME),
                    # Who answers must not send us elsewhere.
                    aiohttp.ClientSession(trust_env=False) as session,
                    session.request(
                        http_request.method,
                        http_request.url,
                        headers=http_request.headers,
                        data=http_request.body,
                        allow_redirects=False,
                    ) as response,
                ):
                    body = bytearray()
                    async for piece in response.content.iter_chunked(16 * 1024):
                        body += piece
                        if len(body) > LARGEST_ANSWER:
                            raise MappingFailed("UPnP: what the router answers never ends")
                    text = body.decode(response.charset or "utf-8", "replace")
                    return HttpResponse(response.status, response.headers, text)
            except aiohttp.ClientConnectionError as error:
                raise UpnpConnectionError(repr(error)) from error
            except (aiohttp.ClientError, LookupError) as error:
                raise UpnpCommunicationError(repr(error)) from error

    return Requester()


async def _external(service: UpnpService) -> str | None:
    from async_upnp_client.exceptions import UpnpError

    try:
        answer = await service.action("GetExternalIPAddress").async_call()
        return str(ipaddress.ip_address(str(answer["NewExternalIPAddress"])))
    except (UpnpError, ValueError, KeyError):
        return None


async def _address_towards(location: str) -> str:
    """Our address in the network of the router."""
    parts = urlsplit(location)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(parts.hostname or "", parts.port or 80)
    )
    try:
        return str(transport.get_extra_info("sockname")[0])
    finally:
        transport.close()


def _is_local(location: str) -> bool:
    try:
        parts = urlsplit(location)
        address = ipaddress.IPv4Address(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "http" and (address.is_private or address.is_loopback or address.is_link_local)


def _reason(error: BaseException) -> str:
    code = getattr(error, "error_code", None)
    if code in _REASONS:
        return _REASONS[code]
    if code is not None:
        return f"it refuses with code {code}"
    status = getattr(error, "status", None)
    if status is not None:
        return f"the router answers with HTTP status {status}"
    # The library's and aiohttp's errors for a connection that fails are OSErrors or carry one in their text.
    if isinstance(error, (TimeoutError, OSError)) or type(error).__name__ in _NO_ANSWER:
        return "the router does not answer"
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"the router's answer cannot be used ({first[:100]})"
