"""Counts connect requests that come to the host name of another town. They are answered like all others: no tablet may be lost.

Such a tablet enrolled with a profile of the other town, or a town's name leads to the wrong server.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from cartable.unit_of_work import Runtime
from enrollment.places.hosts import read_host
from enrollment.places.town_hosts import TownHosts
from mdm.channel.messages import ChannelRequest
from mdm.channel.repository import LoadedConnects


class HostCheck:
    """Compares the host of requests with the town of their enrollment. Used by one thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._own_header = urlsplit(runtime.settings.public_url).netloc.encode()
        self._hosts = TownHosts(runtime)
        self.foreign_count = 0

    def count_foreign(self, requests: Sequence[ChannelRequest], loaded: LoadedConnects) -> None:
        """Add the requests whose host is another town's. At the address of the installation, and where no town has a host, nothing is looked up."""
        elsewhere = [request for request in requests if request.host not in (b"", self._own_header)]
        if not elsewhere:
            return
        self._hosts.refresh()
        if not self._hosts.towns:
            return
        for request in elsewhere:
            enrollment, _ = loaded.get(request.message.ids.channel_key, (None, None))
            town_id = self._hosts.towns.get(read_host(request.host.decode("latin-1")))
            if enrollment is not None and town_id is not None and town_id != enrollment.town_id:
                self.foreign_count += 1
