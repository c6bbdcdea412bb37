"""The resolver on the command line: its address in `make run`, the demonstration town that uses it, and what the doctor says of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity.server_names import list_host_names
from mdm.cli.banner import BannerFacts, render_banner
from mdm.cli.demo import choose_resolver
from mdm.cli.doctor.diagnosis import Diagnosis, Health
from mdm.cli.doctor.resolver import check_resolver
from mdm.cli.up import settle_resolver
from mdm.resolver.models import ResolverProcess
from mdm.resolver.repository import ResolverRepository
from profiles.policy import documents
from profiles.policy.kinds import PlaceKind, VersionState
from profiles.policy.repository import PolicyRepository, to_content
from tests.support.world import TownFactory


@pytest.mark.parametrize(
    ("public_url", "url", "addresses"),
    [
        ("https://192.0.2.7:8443", "https://192.0.2.7:8453", ("192.0.2.7",)),
        ("https://mdm.test:8443", "https://mdm.test:8453", ()),
    ],
)
def test_make_run_gives_the_resolver_an_address_beside_the_servers(
    runtime: Runtime, public_url: str, url: str, addresses: tuple[str, ...]
) -> None:
    settled = settle_resolver(Settings(_env_file=None, public_url=public_url))
    assert (settled.resolver_url, settled.resolver_addresses) == (url, addresses)
    runtime.settings = settled
    with runtime.open_unit_of_work() as work:
        assert settled.resolver_check_host in list_host_names(work), "the certificate names it"
    assert (
        settle_resolver(settled.model_copy(update={"resolver_url": "", "resolver_check_host": "c.test"})).resolver_check_host
        == "c.test"
    )


def test_an_address_that_is_configured_stays() -> None:
    settings = Settings(_env_file=None, resolver_url="https://dns.test")
    assert settle_resolver(settings) is settings


def test_the_banner_says_which_filter_there_is() -> None:
    facts = BannerFacts("https://mdm.test", None, None, None, False, 0, "https://dns.test")
    assert "https://dns.test" in render_banner(facts)
    assert "make run DNS=1" in render_banner(BannerFacts("https://mdm.test", None, None, None, False, 0, ""))


def test_the_demonstration_town_chooses_the_resolver_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    for _ in range(2):
        choose_resolver(runtime, town_id)
    with runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
        live = PolicyRepository(work.session).get_version_in_state(document, VersionState.LIVE)
        assert live is not None
        assert live.number == 1
        assert to_content(live).values["all"]["web.delivery"]["kind"] == "resolver"


def diagnose(runtime: Runtime) -> list[Diagnosis]:
    with runtime.open_unit_of_work() as work:
        return list(check_resolver(work))


def test_the_doctor_says_whether_the_resolver_answers(runtime: Runtime) -> None:
    assert [each.health for each in diagnose(runtime)] == [Health.GOOD]
    changed = {"resolver_url": "https://dns.test", "resolver_addresses": ("192.0.2.7",)}
    runtime.settings = runtime.settings.model_copy(update=changed)
    [away] = diagnose(runtime)
    assert (away.health, "cartable resolver" in away.remedy) == (Health.FAILED, True)
    now = runtime.clock.now()
    state = ResolverProcess(
        id="host:8453", started_at=now, seen_at=now, answered_at=now - timedelta(seconds=5), published_at=now, address_count=3,
        pending_lists=1, restarts=0, problem=None,
    )  # fmt: skip
    with runtime.open_unit_of_work() as work:
        ResolverRepository(work.session).save(state)
    assert [each.health for each in diagnose(runtime)] == [Health.WARNING]
    state.pending_lists = 0
    with runtime.open_unit_of_work() as work:
        ResolverRepository(work.session).save(state)
    assert [(each.health, each.text) for each in diagnose(runtime)] == [(Health.GOOD, "1 answering, 3 filters")]
