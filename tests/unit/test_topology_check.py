"""The rules across entries: each with what triggers it and what does not."""

from __future__ import annotations

import itertools
import random

import pytest

from dfmc.topology.check import RULES, check, check_owned
from dfmc.topology.entries import read_entries
from dfmc.topology.placement import shared_nodes
from topology_texts import GOOD, HEAD, errors, load, refusal, warnings, with_b


def rules(text: str) -> list[str]:
    """Ids of the rules that a refused file breaks."""
    return [diagnostic.rule for diagnostic in refusal(text).diagnostics]


def test_good_file_breaks_no_rule() -> None:
    loaded = load(GOOD)
    assert loaded.warnings == ()
    assert check(loaded) == []


def test_every_rule_has_an_id_and_a_title() -> None:
    assert list(RULES) == [f"DF{number:03}" for number in range(1, len(RULES) + 1)]
    assert all(title and not title.endswith(".") for title in RULES.values())


def test_manager_runs_in_a_cluster_of_the_file() -> None:
    text = GOOD.replace("cluster: a", "cluster: central").replace("name: b", "name: centrl")
    assert errors(text) == [
        "t.yaml:5:11: manager.cluster: no entry of clusters is called 'central': did you mean centrl?"
    ]
    assert rules(text) == ["DF001"]


def test_manager_cluster_is_not_doubted_where_an_entry_lacks_its_name() -> None:
    assert errors(GOOD.replace("- name: a\n  context", "- context")) == ["t.yaml:7:3: clusters[0].name: is missing"]


def test_cluster_names_are_unique() -> None:
    text = GOOD + "- name: b\n  context: three\n  namespace: x\n"
    assert errors(text) == ["t.yaml:13:3: clusters[2].name: there is a cluster 'b' already, on line 10"]


def test_release_belongs_to_one_entry() -> None:
    assert errors(GOOD.replace("two", "one")) == [
        "t.yaml:12:3: clusters[1].namespace: the release dragonfly in namespace dragonfly of context one is that of a "
        "already"
    ]


def test_same_context_of_another_kubeconfig_is_another_place() -> None:
    assert "DF003" not in {w.rule for w in load(GOOD.replace("two", "one\n  kubeconfig: other")).warnings}


def test_namespace_holds_one_cluster() -> None:
    text = GOOD.replace("two", "one") + "  release: other\n"
    assert rules(text) == ["DF012", "DF004"]
    assert errors(text) == [
        "t.yaml:12:3: clusters[1].namespace: a is in namespace dragonfly of context one already: the chart's Services "
        "would mix the pods of both releases"
    ]


@pytest.mark.parametrize("part", ["mysql", "redis"])
def test_release_name_of_a_subchart(part: str) -> None:
    central = GOOD.replace("context: one", f"context: one\n  release: my-{part}-x")
    assert rules(central) == ["DF005"]
    assert warnings(with_b(f"release: my-{part}")) == [
        f"t.yaml:13:3: clusters[1].release: my-{part} contains '{part}': the chart then looks for its {part} under a "
        "name it does not have"
    ]
    assert warnings(with_b("release: my-dragonfly")) == []


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("nonsense", "'nonsense' is no network like 10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1 is an address, not a network: write 10.0.0.1/32"),
        ("fd00::1", "fd00::1 is an address, not a network: write fd00::1/128"),
        ("10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0' is no network like 10.0.0.0/8"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no network like 10.0.0.0/8: '10.0.0.0/33' does not appear to be an IPv4 or "
                        "IPv6 network"),
        ("fe80::%eth0/64", "'fe80::%eth0/64' is no network like 10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' is IPv4 written as IPv6, which matches no address: write "
                                "10.0.0.0/8"),
        ("10.0.0.0/", "'10.0.0.0/' is no network like 10.0.0.0/8"),
        (" 10.0.0.0/8", "' 10.0.0.0/8' is no network like 10.0.0.0/8"),
    ],
)  # fmt: skip
def test_cidr_that_the_manager_could_not_read(cidr: str, message: str) -> None:
    assert errors(with_b(f"scopes: {{cidrs: ['{cidr}']}}")) == [f"t.yaml:13:20: clusters[1].scopes.cidrs[0]: {message}"]


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "fd00::/8", "::/0", "2001:db8::1/128"])
def test_cidr_that_the_manager_reads(cidr: str) -> None:
    assert warnings(with_b(f"scopes: {{cidrs: ['{cidr}']}}")) == []


@pytest.mark.parametrize(("cidr", "meant"), [("10.1.2.3/8", "10.0.0.0/8"), ("fd00::1/64", "fd00::/64")])
def test_cidr_with_bits_beyond_its_prefix(cidr: str, meant: str) -> None:
    assert warnings(with_b(f"scopes: {{cidrs: ['{cidr}']}}")) == [
        f"t.yaml:13:20: clusters[1].scopes.cidrs[0]: {cidr} has bits set beyond its prefix: it means {meant}"
    ]


@pytest.mark.parametrize("idc", [" a", "a ", "a | b", "a b", "a|b\tc"])
def test_idc_with_blanks(idc: str) -> None:
    assert set(rules(with_b(f'scopes: {{idc: "{idc}"}}'))) == {"DF008"}


@pytest.mark.parametrize("idc", ["|", "a|", "|a", "a||b"])
def test_idc_with_empty_elements(idc: str) -> None:
    assert set(rules(with_b(f"scopes: {{idc: '{idc}'}}"))) == {"DF008"}


@pytest.mark.parametrize("idc", ["a", "a|b", "eu-1.x_y|Z"])
def test_idc_as_the_manager_wants_it(idc: str) -> None:
    assert warnings(with_b(f"scopes: {{idc: '{idc}'}}")) == []


def test_host_says_one_idc() -> None:
    assert errors(with_b("host: {idc: a|b}")) == [
        "t.yaml:13:10: clusters[1].host.idc: 'a|b' is a list; a peer says one idc, and the manager does not split what "
        "it says"
    ]
    assert rules(with_b("host: {idc: a b}")) == ["DF008"]


def test_location_has_five_elements_at_most() -> None:
    assert warnings(with_b("scopes: {location: a|b|c|d|e}")) == []
    assert errors(with_b("scopes: {location: a|b|c|d|e|f}")) == [
        "t.yaml:13:12: clusters[1].scopes.location: has 6 elements; the manager compares the first 5 alone"
    ]
    assert rules(with_b("host: {location: a|b|c|d|e|f}")) == ["DF009"]
    assert rules(with_b("scopes: {location: 'a| b'}")) == ["DF009"]
    assert warnings(with_b("scopes: {location: 'New York|x'}")) == []


def test_hostnames_are_go_patterns() -> None:
    assert warnings(with_b("scopes: {hostnames: ['^gpu-[0-9]+$', '(?i)x', '[[:alpha:]]+\\z']}")) == []
    assert errors(with_b("scopes: {hostnames: ['a', '(?!b)c']}")) == [
        "t.yaml:13:29: clusters[1].scopes.hostnames[1]: '(?!b)c' is no pattern of Go's RE2: look-around (?!b…) does "
        "not exist in RE2"
    ]


def test_scope_claimed_by_two_clusters() -> None:
    text = GOOD.replace("context: one", "context: one\n  scopes: {idc: X|y, cidrs: [10.0.0.0/8]}")
    assert warnings(text + "  scopes: {idc: x|z, cidrs: [11.0.0.0/8, 10.0.0.0/8]}\n") == [
        "t.yaml:14:12: clusters[1].scopes.idc: the idc 'x' is also a scope of a: its peers may join either",
        "t.yaml:14:42: clusters[1].scopes.cidrs[1]: the network 10.0.0.0/8 is also a scope of a: its peers may join "
        "either",
    ]
    assert warnings(text + "  scopes: {idc: z|z}\n") == []


@pytest.mark.parametrize(
    "lines",
    [
        ["membership: scopes", "scopes: {idc: x}"],
        ["membership: scopes", "scopes: {idc: x|y}", "host: {idc: y}"],
        ["membership: scopes", "scopes: {cidrs: [10.0.0.0/8]}"],
        ["membership: scopes", "host: {location: x}"],
        ["membership: id"],
    ],
)
def test_membership_that_can_be_told(lines: list[str]) -> None:
    assert warnings(with_b(*lines)) == []


def test_membership_by_scopes_needs_something_to_go_by() -> None:
    assert errors(with_b("membership: scopes", "scopes: {idc: x|y}")) == [
        "t.yaml:13:3: clusters[1].membership: by scopes, but scopes.idc names several: say with host.idc which one the "
        "peers of b are"
    ]
    assert errors(with_b("membership: scopes")) == [
        "t.yaml:13:3: clusters[1].membership: by scopes, but the entry has neither scopes nor host: nothing tells its "
        "peers from others'"
    ]
    # The central record is the default cluster of the manager; it needs no scope.
    assert warnings(HEAD + "clusters:\n- {name: a, context: x, namespace: y, membership: scopes}\n") == []


def one_context(a: str, b: str, version: str = "1.7.4") -> list[str]:
    head = HEAD.replace("1.7.4", version)
    return warnings(
        f"{head}clusters:\n- {{name: a, context: x, namespace: a{a}}}\n- {{name: b, context: x, namespace: b{b}}}\n"
    )


def test_two_clients_may_meet_on_one_node() -> None:
    assert one_context("", "") == [
        "t.yaml:8:3: clusters[1]: the nodes of b and a can be the same: their clients use the same host ports, so one "
        "of them stays Pending there; give both nodeSelectors that exclude each other"
    ]
    assert len(one_context(", nodeSelector: {x: a}", "")) == 1
    assert len(one_context(", nodeSelector: {x: a}", ", nodeSelector: {x: a}")) == 1
    assert len(one_context(", nodeSelector: {x: a}", ", nodeSelector: {y: b}")) == 1
    assert one_context(", nodeSelector: {x: a, y: c}", ", nodeSelector: {x: b, z: c}") == []


def test_charts_without_host_ports_may_share_nodes() -> None:
    assert one_context("", "", version="1.1.65") == []
    assert len(one_context("", "", version="1.1.66")) == 1


def test_shared_nodes_are_those_of_the_plain_definition() -> None:
    chosen = random.Random(7)  # noqa: S311 - not for secrets; the seed makes a failure repeat
    for _ in range(200):
        clusters = [
            {
                "name": f"c{i}",
                "context": chosen.choice("xy"),
                "nodeSelector": {key: chosen.choice("12") for key in chosen.sample("abcd", chosen.randint(0, 3))},
            }
            for i in range(chosen.randint(0, 8))
        ]
        entries = read_entries({"clusters": clusters})
        expected: dict[int, int] = {}
        for one, other in itertools.combinations(entries, 2):
            common = one.node_selector.keys() & other.node_selector.keys()
            if one.context == other.context and all(one.node_selector[k] == other.node_selector[k] for k in common):
                expected.setdefault(other.index, one.index)
        assert {entry.index: other.index for entry, other in shared_nodes(entries)} == expected


def test_node_ports_in_the_default_range() -> None:
    expose = "{type: NodePort, restNodePort: 30000, grpcNodePort: 32767, redisNodePort: 29999}"
    assert warnings(GOOD.replace("{cluster: a}", f"{{cluster: a, expose: {expose}}}")) == [
        "t.yaml:5:90: manager.expose.redisNodePort: 29999 is outside 30000-32767, the range of a default API server"
    ]


@pytest.mark.parametrize("access", ["port-forward", "http://h", "https://h:8443/x", "http://[::1]:1"])
def test_access_that_can_be_used(access: str) -> None:
    assert warnings(GOOD.replace("{cluster: a}", f"{{cluster: a, access: '{access}'}}")) == []


@pytest.mark.parametrize("access", ["portforward", "h:80", "ftp://h", "http://", "http://h:99999", "http://a b"])
def test_access_that_is_no_url(access: str) -> None:
    assert errors(GOOD.replace("{cluster: a}", f"{{cluster: a, access: '{access}'}}")) == [
        "t.yaml:5:23: manager.access: must be port-forward or a URL like https://manager"
    ]


@pytest.mark.parametrize(
    "address", ["h:8080", "203.0.113.5:8080", "http://h", "h/path", "me@h", "[2001:db8::1]:80", "a b"]
)
def test_address_that_is_more_than_a_host(address: str) -> None:
    (error,) = errors(GOOD.replace("{cluster: a}", f"{{cluster: a, address: '{address}'}}"))
    assert error.startswith("t.yaml:5:23: manager.address: must be a host name or an IP address")


@pytest.mark.parametrize("address", ["h", "dragonfly.example.com", "203.0.113.5", "2001:db8::1", "[2001:db8::1]", "h."])
def test_address_that_is_a_host(address: str) -> None:
    assert warnings(GOOD.replace("{cluster: a}", f"{{cluster: a, address: '{address}'}}")) == []


def test_repository_is_a_url() -> None:
    assert errors(GOOD.replace("1.7.4}", "1.7.4, repository: ./charts}")) == [
        "t.yaml:4:25: chart.repository: must be a URL like https://dragonflyoss.github.io/helm-charts/; for a chart on "
        "disk use chart.path"
    ]
    assert rules(GOOD.replace("1.7.4}", "1.7.4, repository: 'https://me:pw@h/'}")) == ["DF016"]
    assert warnings(GOOD.replace("1.7.4}", "1.7.4, repository: 'http://127.0.0.1:8000/'}")) == []


def test_otlp_needs_an_endpoint_from_entry_or_defaults() -> None:
    assert errors(with_b("tracing: {type: otlp}")) == [
        "t.yaml:13:3: clusters[1].tracing: type: otlp needs an endpoint (b has none)"
    ]
    halves = HEAD + "defaults: {tracing: {type: otlp}}\n"
    entries = "clusters:\n- {name: a, context: x, namespace: n, tracing: {endpoint: 'h:4317'}}\n"
    assert load(halves + entries).topology.clusters[0].tracing is not None


OWNED = ["scheduler.config.manager.schedulerClusterID", "externalManager.host", "manager.enable"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            "{scheduler: {config: {manager: {schedulerClusterID: 7}}}}",
            "values.scheduler.config.manager.schedulerClusterID",
        ),
        ("{scheduler: {config: null}}", "values.scheduler.config"),
        ("{externalManager: []}", "values.externalManager"),
        ("{externalManager: {host: {a: b}}}", "values.externalManager.host"),
        ("{manager: {enable: false}}", "values.manager.enable"),
    ],
)
def test_values_may_not_set_what_dfmc_sets(values: str, found: str) -> None:
    loaded = load(with_b(f"values: {values}"))
    assert [(d.path, d.severity, d.rule) for d in check_owned(loaded, OWNED)] == [
        (f"clusters[1].{found}", "error", "DF014")
    ]


def test_other_values_are_the_users() -> None:
    loaded = load(with_b("values: {scheduler: {config: {verbose: true}, replicas: 2}, manager: {}, client: null}"))
    assert check_owned(loaded, OWNED) == []


def test_owned_key_in_defaults_is_told_once_and_there() -> None:
    text = HEAD + "defaults: {values: {manager: {enable: true}}}\n" + GOOD[len(HEAD) :]
    assert [str(d).split(": ")[:2] for d in check_owned(load(text), OWNED)] == [
        ["t.yaml:6:31", "defaults.values.manager.enable"]
    ]
