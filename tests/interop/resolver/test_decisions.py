"""What the real programs answer: each rule of the filter, and a thousand random names against the pure rule.

Few tests with many questions each: a process that takes over one of them starts a resolver for it.
"""

from __future__ import annotations

import random

import dns.message
import dns.rcode
import httpx
import pytest

from profiles.filters.resolver_filter import ResolverFilter, decide_name
from profiles.filters.rules import HostDecision, RestrictedVideo, list_domains
from profiles.filters.safe_names import SEARCH, VIDEO, VIDEO_HOSTS
from tests.interop.resolver.conftest import ResolverTown
from tests.interop.resolver.internet import ANY_HOST, HOSTS
from tests.support.waiting import wait_until

LISTS = {
    "adult": "porno.example\nsante.example\n",
    "games": "jeu.example\n",
    "sexual_education": "sante.example\n",
    "doh": "doh.example\n",
}


@pytest.fixture(scope="module")
def tokens(town: ResolverTown) -> dict[str, str]:
    town.import_lists(LISTS)
    made = town.save_filters(
        {
            "plain": ResolverFilter(
                denied=frozenset({"refuse.example", "xn--cole-9oa.example"}),
                permitted=frozenset({"www.refuse.example", "porno.example", "bon.jeu.example", "doh.example"}),
                blocked_categories=frozenset({"games"}),
                always_open=frozenset({"apple.com", "icloud.com", "mdm.example"}),
                own_hosts=frozenset({"mairie.refuse.example", "ecole.porno.example", "ecole.jeu.example"}),
            ),
            "health": ResolverFilter(permitted_categories=frozenset({"sexual_education"})),
            "class": ResolverFilter(
                only_permitted=True,
                permitted=frozenset({"lumni.example"}),
                opened=frozenset({"carte.example"}),
                always_open=frozenset({"apple.com"}),
            ),
            "safe": ResolverFilter(safe_search=True, restricted_video=RestrictedVideo.STRICT),
            "lesson": ResolverFilter(lesson_hosts=frozenset({"lumni.example"}), blocked_categories=frozenset({"games"})),
            "family": ResolverFilter(
                guardian_hosts=frozenset({"jeu.example", "mamie.example"}), blocked_categories=frozenset({"games"})
            ),
            "moderate": ResolverFilter(restricted_video=RestrictedVideo.MODERATE),
        }
    )
    town.wait_for(made)
    assert wait_until(town.knows_all_lists)
    assert wait_until(lambda: town.resolve(made["plain"], "jeu.example") is None)
    return made


#: Filter, name, and the address that it has there; None for a name that does not exist.
ANSWERS: list[tuple[str, str, str | None]] = [
    ("plain", "libre.example", ANY_HOST),
    ("plain", "porno.example", None),  # closed to every child, although permitted
    ("plain", "WWW.Porno.Example", None),
    ("plain", "autreporno.example", ANY_HOST),
    ("plain", "refuse.example", None),
    ("plain", "www.refuse.example", None),  # what is denied is not permitted below it
    ("plain", "www.mairie.refuse.example", ANY_HOST),  # a site of the town's own
    ("plain", "ecole.jeu.example", ANY_HOST),
    ("plain", "ecole.porno.example", None),  # which opens nothing that is closed to every child
    ("plain", "école.example", None),
    ("plain", "www.école.example", None),
    ("plain", "jeu.example", None),
    ("plain", "a.bon.jeu.example", ANY_HOST),
    ("plain", "doh.example", ANY_HOST),  # a way around, which the town permits by name
    ("plain", "gateway.push.apple.com", ANY_HOST),
    ("plain", "mask.icloud.com", None),
    ("plain", "sante.example", None),
    ("health", "sante.example", ANY_HOST),
    ("health", "porno.example", None),
    ("class", "www.lumni.example", ANY_HOST),
    ("class", "carte.example", ANY_HOST),
    ("class", "libre.example", None),
    ("class", "captive.apple.com", ANY_HOST),
    ("lesson", "www.lumni.example", ANY_HOST),
    ("lesson", "libre.example", None),
    ("family", "mamie.example", ANY_HOST),
    ("family", "libre.example", None),
    ("family", "jeu.example", None),  # a guardian opens nothing that a place closes
    ("safe", "www.google.fr", HOSTS["forcesafesearch.google.com"]),
    ("safe", "duckduckgo.com", HOSTS["safe.duckduckgo.com"]),
    ("safe", "links.duckduckgo.com", ANY_HOST),
    ("safe", "www.youtube.com", HOSTS["restrict.youtube.com"]),
    ("moderate", "m.youtube.com", HOSTS["restrictmoderate.youtube.com"]),
    ("moderate", "www.google.fr", ANY_HOST),
]


def test_a_name_is_open_or_does_not_exist(town: ResolverTown, tokens: dict[str, str]) -> None:
    names = [(key, name, name if name.isascii() else name.encode("idna").decode()) for key, name, _ in ANSWERS]
    assert [(key, name, town.resolve(tokens[key], asked)) for key, name, asked in names] == ANSWERS


def test_a_tablet_asks_again_within_ten_seconds(town: ResolverTown, tokens: dict[str, str]) -> None:
    answer = town.ask(tokens["plain"], "libre.example")
    assert 0 < answer.answer[0].ttl <= 10
    closed = town.ask(tokens["plain"], "refuse.example", "AAAA")
    assert closed.rcode() == dns.rcode.NXDOMAIN
    assert not closed.authority, "without an SOA record nobody keeps that a name does not exist"


def test_an_unknown_address_is_none(town: ResolverTown) -> None:
    body = dns.message.make_query("libre.example", "A", id=0).to_wire()
    headers = {"content-type": "application/dns-message"}
    for path in ("f/unknown", "f/", "f", "", "dns-query", "f/../f/x"):
        response = town.http.post(httpx.URL(town.url.removesuffix("f/") + path), content=body, headers=headers)
        assert response.status_code == 404, path


def test_a_thousand_random_names_are_decided_as_the_rule_decides(town: ResolverTown) -> None:
    town = town.create_neighbour()  # with lists of its own
    chance = random.Random(16)
    labels = ["a", "b", "c", "www"]
    domains = [f"{first}.{second}.example" for first in labels for second in labels] + [f"{label}.example" for label in labels]
    categories = ["adult", "drogue", "games", "press", "sexual_education", "vpn", "special"]
    lists = {name: sorted(chance.sample(domains, 5)) for name in categories}

    def pick(count: int) -> frozenset[str]:
        return frozenset(chance.sample(domains, chance.randrange(count)))

    rules_by_key = {
        f"random-{number}": ResolverFilter(
            denied=pick(4), permitted=pick(4), opened=pick(3), always_open=pick(2), own_hosts=pick(3),
            blocked_categories=frozenset(chance.sample(categories, 3)),
            permitted_categories=frozenset(chance.sample(categories, 3)),
            lesson_hosts=pick(8) if chance.random() < 0.2 else None, guardian_hosts=pick(8) if chance.random() < 0.2 else None,
            only_permitted=chance.random() < 0.2, safe_search=chance.random() < 0.5,
        )
        for number in range(20)
    }  # fmt: skip
    town.import_lists({name: "\n".join(hosts) + "\n" for name, hosts in lists.items()})
    made = town.save_filters(rules_by_key)
    town.wait_for(made)
    assert wait_until(town.knows_all_lists)
    questions = {
        (key, chance.choice(["", "www.", "x.y.", "z."]) + chance.choice([*domains, "www.google.fr", "youtube.com", "einzeln"]))
        for key in rules_by_key
        for _ in range(90)
    }

    def decide(key: str, name: str) -> str | None:
        listed = [category for category, hosts in lists.items() if not set(list_domains(name)).isdisjoint(hosts)]
        if decide_name(rules_by_key[key], name, listed).decision is HostDecision.BLOCK:
            return None
        safe_name = _find_safe_name(rules_by_key[key], name)
        return HOSTS[safe_name] if safe_name else ANY_HOST

    def list_differing() -> list[tuple[str, str]]:
        return [(key, name) for key, name in questions if town.resolve(made[key], name) != decide(key, name)]

    assert len(questions) >= 1000
    assert wait_until(lambda: not list_differing(), 8), list_differing()
    answers = [decide(key, name) for key, name in questions]
    assert min(answers.count(None), answers.count(ANY_HOST)) > 150


def _find_safe_name(rules: ResolverFilter, host: str) -> str | None:
    """Return the name by which an open host is answered under these rules; None: by its own."""
    if rules.safe_search and host in SEARCH:
        return SEARCH[host]
    return VIDEO.get(rules.restricted_video) if host in VIDEO_HOSTS else None
