from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap.errors import UsageError
from mcptap.faults import Decision, Delay, Fault, FaultPlan, SessionFaults, parse_fault, parse_faults

SEARCH = {"name": "search", "arguments": {"q": "x"}}
CALLS = st.lists(
    st.sampled_from(["search", "add"]).map(lambda name: ("tools/call", {"name": name})), max_size=12
)
FAULTS = st.lists(
    st.sampled_from(
        [
            "tools/call:search error=-32000 p=0.3",
            "tools/* delay=uniform(1ms,9ms) p=0.5",
            "*:add delay=lognormal(10ms,0.5) p=0.7",
            "* hang p=0.1",
        ]
    ),
    max_size=4,
).map(parse_faults)


def decided(faults: SessionFaults, *calls: tuple[str, dict[str, Any]]) -> list[Decision | None]:
    return [faults.decide(*call) for call in calls]


# Laws


@given(FAULTS, st.integers(), CALLS, CALLS, st.randoms())
def test_a_session_s_faults_are_its_own_whoever_is_faster(
    faults: tuple[Fault, ...], seed: int, one: list[Any], other: list[Any], order: Any
) -> None:
    alone = [
        decided(FaultPlan(faults, seed).session(number), *calls)
        for number, calls in enumerate((one, other), 1)
    ]
    plan = FaultPlan(faults, seed)
    sessions = [plan.session(1), plan.session(2)]
    together: list[list[Decision | None]] = [[], []]
    turns = [0] * len(one) + [1] * len(other)
    order.shuffle(turns)
    queues = [iter(one), iter(other)]
    for turn in turns:
        together[turn].append(sessions[turn].decide(*next(queues[turn])))
    assert together == alone


@given(st.integers(), st.floats(0, 1), st.floats(0, 1))
def test_more_probable_faults_strike_what_less_probable_ones_do_and_more(
    seed: int, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    struck = [
        [faults.decide("ping", None) is not None for _ in range(20)]
        for faults in (FaultPlan((Fault("*", probability=p),), seed).session(1) for p in (less, more))
    ]
    assert all(strikes or not struck_before for struck_before, strikes in zip(*struck, strict=True))


@given(st.integers(), CALLS)
def test_what_is_certain_strikes_always_and_what_is_impossible_never(seed: int, calls: list[Any]) -> None:
    always, never = parse_faults(["* hang", "* hang p=0"])
    assert None not in decided(FaultPlan((always,), seed).session(1), *calls)
    assert decided(FaultPlan((never,), seed).session(1), *calls) == [None] * len(calls)


@given(st.integers(), st.integers(1, 5))
def test_delays_keep_to_their_distribution(seed: int, number: int) -> None:
    faults = parse_faults(["a delay=uniform(50ms,200ms)", "b delay=1.5s", "c delay=lognormal(1s,0.5)"])
    session = FaultPlan(faults, seed).session(number)
    uniform, fixed, lognormal = (session.decide(method, None) for method in "abc")
    assert uniform is not None
    assert fixed is not None
    assert lognormal is not None
    assert 0.05 <= uniform.delay <= 0.2
    assert fixed.delay == 1.5
    assert lognormal.delay > 0


def test_the_median_of_a_lognormal_delay_is_as_it_says() -> None:
    session = FaultPlan(parse_faults(["* delay=lognormal(100ms,1)"]), 1).session(1)
    delays = sorted(decision.delay for _ in range(2001) if (decision := session.decide("ping", None)))
    assert math.isclose(delays[1000], 0.1, rel_tol=0.1)


def test_seeds_sessions_and_places_differ() -> None:
    faults = parse_faults(["* hang p=0.5"])

    def struck(seed: int, number: int) -> list[bool]:
        session = FaultPlan(faults, seed).session(number)
        return [session.decide("ping", None) is not None for _ in range(64)]

    assert struck(1, 1) == struck(1, 1)
    assert len({tuple(struck(*which)) for which in ((1, 1), (1, 2), (2, 1), (2, 2))}) == 4


def test_the_first_fault_that_strikes_decides_and_each_counts_what_is_its_own() -> None:
    certain, rest = parse_faults(["tools/call:search error=-1", "tools/call hang"])
    session = FaultPlan((certain, rest), 3).session(1)
    assert [
        getattr(session.decide("tools/call", {"name": name}), "fault", None) for name in ("search", "add")
    ] == [
        certain,
        rest,
    ]
    assert session.decide("tools/list", None) is None


# What is written


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "tools/call:search error=-32000 p=0.2",
            Fault("tools/call", "search", 0.2, ending="error", code=-32000),
        ),
        (
            "tools/call error=-1 message='try again: later'",
            Fault("tools/call", ending="error", code=-1, message="try again: later"),
        ),
        ("resources/read:file:///* hang", Fault("resources/read", "file:///*", ending="hang")),
        ("* delay=200ms", Fault("*", delay=Delay("fixed", 0.2, 0.2))),
        ("* delay=recorded*3", Fault("*", delay=Delay("recorded", 0.0, 3.0))),
        ("* delay=recorded\u00d72", Fault("*", delay=Delay("recorded", 0.0, 2.0))),
        ("* delay=1.5s disconnect", Fault("*", delay=Delay("fixed", 1.5, 1.5), ending="disconnect")),
        ("a/? events=5ms slow=2kB/s", Fault("a/?", events=Delay("fixed", 0.005, 0.005), rate=2000.0)),
        ("* truncate", Fault("*", ending="truncate")),
        ("* malformed", Fault("*", ending="malformed")),
        ("* 'delay=uniform(1ms, 2s)'", Fault("*", delay=Delay("uniform", 0.001, 2.0))),
    ],
)
def test_a_fault_is_what_it_says(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("subject", "method", "params", "concerned"),
    [
        ("tools/call:search", "tools/call", SEARCH, True),
        ("tools/call:sea*", "tools/call", SEARCH, True),
        ("tools/call:Search", "tools/call", SEARCH, False),
        ("tools/*", "tools/list", None, True),
        ("*", "ping", None, True),
        ("*:search", "ping", None, False),
        ("prompts/get", "tools/call", SEARCH, False),
    ],
)
def test_a_fault_concerns_what_it_names(
    subject: str, method: str, params: dict[str, Any] | None, *, concerned: bool
) -> None:
    assert parse_fault(f"{subject} hang").concerns(method, params) is concerned


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tools/call",
        "tools/call p=0.5",
        "tools/call error",
        "tools/call error=no",
        "tools/call hang=1",
        "tools/call hang error=-1",
        "tools/call hang hang",
        "tools/call error=-1 p=2",
        "tools/call error=-1 p=nan",
        "tools/call error=-1 p=0.1 p=0.2",
        "tools/call delay=5",
        "tools/call delay=-5ms",
        "tools/call delay=uniform(2s,1s)",
        "tools/call delay=uniform(1s)",
        "tools/call delay=lognormal(1s,x)",
        "tools/call delay=lognormal(1s,-1)",
        "tools/call events=recorded*2",
        "tools/call slow=fast",
        "tools/call slow=0B/s",
        "tools/call hang message=x",
        "tools/call explode",
        "tools/call 'hang",
    ],
)
def test_what_is_no_fault_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)


def test_a_table_says_the_same_as_a_text() -> None:
    table = {"on": "tools/call:a b", "error": -32000, "message": "it's late", "p": 0.5}
    assert parse_faults([], [table, {"on": "ping", "hang": True}, "* truncate"]) == (
        Fault("tools/call", "a b", 0.5, ending="error", code=-32000, message="it's late"),
        Fault("ping", ending="hang"),
        Fault("*", ending="truncate"),
    )


@pytest.mark.parametrize("table", [7, {}, {"on": 3}, {"on": "ping"}, {"on": "ping", "hang": False}])
def test_a_table_that_is_no_fault_is_refused(table: Any) -> None:
    with pytest.raises(UsageError):
        parse_faults([], [table])
