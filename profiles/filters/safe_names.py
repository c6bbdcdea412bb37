"""The names by which search engines and YouTube publish their safe forms: who answers a host by its safe name shows the safe form. Pure.

Sources: Google's "Lock SafeSearch", YouTube's "Manage your organization's YouTube settings", Microsoft's "Block adult content with SafeSearch",
DuckDuckGo's "Safe Search", Qwant, Pixabay and Ecosia.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from profiles.filters.rules import RestrictedVideo

#: Where Google has a domain; each shows the whole search.
_GOOGLE = """
com ac ad ae al am as at az ba be bf bg bi bj bs bt by ca cat cd cf cg ch ci cl cm cn co.ao co.bw co.ck co.cr co.id co.il co.in
co.jp co.ke co.kr co.ls co.ma co.mz co.nz co.th co.tz co.ug co.uk co.uz co.ve co.vi co.za co.zm co.zw com.af com.ag com.ai
com.ar com.au com.bd com.bh com.bn com.bo com.br com.bz com.co com.cu com.cy com.do com.ec com.eg com.et com.fj com.gh com.gi
com.gt com.hk com.jm com.kh com.kw com.lb com.ly com.mm com.mt com.mx com.my com.na com.nf com.ng com.ni com.np com.om com.pa
com.pe com.pg com.ph com.pk com.pr com.py com.qa com.sa com.sb com.sg com.sl com.sv com.tj com.tr com.tw com.ua com.uy com.vc
com.vn cv cz de dj dk dm dz ee es eu fi fm fr ga ge gg gl gm gp gr gy hn hr ht hu ie im iq is it je jo kg ki kz la li lk lt lu
lv md me mg mk ml mn ms mu mv mw ne nl no nr nu pl pn ps pt ro rs ru rw sc se sh si sk sm sn so sr st td tg tk tl tm tn to tt vg
vu ws
"""

#: Safe name by the host of a search engine that asks for it.
SEARCH: Mapping[str, str] = MappingProxyType(
    {f"www.google.{domain}": "forcesafesearch.google.com" for domain in _GOOGLE.split()}
    | dict.fromkeys(("bing.com", "www.bing.com", "edgeservices.bing.com"), "strict.bing.com")
    | dict.fromkeys(("duckduckgo.com", "www.duckduckgo.com", "start.duckduckgo.com"), "safe.duckduckgo.com")
    | {
        "api.qwant.com": "safeapi.qwant.com",
        "pixabay.com": "safesearch.pixabay.com",
        "www.ecosia.org": "strict-safe-search.ecosia.org",
    }
)
#: Hosts that show YouTube's videos.
VIDEO_HOSTS = (
    "www.youtube.com",
    "m.youtube.com",
    "youtubei.googleapis.com",
    "youtube.googleapis.com",
    "www.youtube-nocookie.com",
)
#: Safe name of these hosts by how far the restriction goes.
VIDEO: Mapping[RestrictedVideo, str] = MappingProxyType(
    {RestrictedVideo.MODERATE: "restrictmoderate.youtube.com", RestrictedVideo.STRICT: "restrict.youtube.com"}
)
