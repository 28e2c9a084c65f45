"""What trust opens: the share of gated facts that a kind and a curt doctor reach, against trust.

Both ask the same questions, one for each fact behind a gate, over and over; they differ in what they say
around them. The plot goes to `docs/disclosure.svg`.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from clinicenv import Cast, Leave, Say, Turn, play, select
from clinicenv.agents.doctor_lines import question
from clinicenv.events import Heard, Role
from clinicenv.scenario import Scenario

PLOT = Path(__file__).resolve().parents[1] / "docs" / "disclosure.svg"

KIND = (
    "Hello, I am Dr Reed. Take all the time that you need.",
    "That sounds very hard.",
    "What you tell me stays between us.",
    "It makes sense that you feel that way.",
    "Could I speak to you alone for a moment?",
    "You have been through a lot. We will look after you.",
    "Thank you for telling me. That took courage.",
    "Anyone would be worried in your place.",
)
CURT = (
    "Right.",
    "I have not got all day.",
    "Just answer the question.",
    "You should have come sooner.",
    "Any dyspnoea, haemoptysis or syncope?",
    "You don't have anything else, do you?",
    "Let me ask again.",
    "Stop exaggerating.",
)
ROUNDS = 3
"""How often each fact is asked for."""

STEP = 0.05
"""Width of the plot's bins of trust."""


class Doctor:
    """Says one of its lines and asks for one gated fact, turn by turn."""

    def __init__(self, manner: tuple[str, ...], asks: list[str]) -> None:
        self.manner, self.asks = manner, asks

    def act(self, turn: Turn) -> Say | Leave:
        n = turn.view.turn - 1
        if n >= ROUNDS * len(self.asks):
            return Leave("Goodbye.")
        return Say(f"{self.manner[n % len(self.manner)]} {self.asks[n % len(self.asks)]}")


def gated(scenario: Scenario) -> list[str]:
    """Ids of the facts that trust, an act or privacy may open; those of other people in the room apart."""
    return [f.id for f in scenario.facts.values() if f.unlock and not f.unlock.informant]


def curve(scenario: Scenario, manner: tuple[str, ...]) -> list[tuple[float, float]]:
    """(trust, share of the gated facts told so far) after each of the doctor's turns."""
    ids = gated(scenario)
    asks = [
        next(iter(f.question_variants), question(f.concept, "you", 0.0))
        for f in map(scenario.facts.get, ids)
        if f
    ]
    done = play(scenario, Cast(doctor=Doctor(manner, asks)), max_turns=ROUNDS * len(asks) + 1, minutes=10**6)
    points, told = [], set[str]()
    trust = 0.0
    for event in done.events[2:]:
        if isinstance(event.what, Heard):
            trust = float(event.what.trust)
        elif event.role is Role.PATIENT and isinstance(event.what, Say):
            told.update(i for i in event.what.ids if i in ids)
            points.append((trust, len(told) / len(ids)))
    return points


def measure() -> dict[str, Any]:
    """By manner: where trust and disclosure end, and the share told in each bin of trust; draws the plot."""
    cases = [s for s in select("all") if gated(s)]
    found: dict[str, Any] = {"cases": len(cases), "facts": sum(len(gated(s)) for s in cases)}
    rows = []
    for name, manner in (("kind", KIND), ("curt", CURT)):
        curves = [curve(s, manner) for s in cases]
        bins: dict[float, list[float]] = defaultdict(list)
        for points in curves:
            for trust, share in points:
                bins[round(round(trust / STEP) * STEP, 2)].append(share)
        found[name] = {
            "trust_at_end": round(mean(c[-1][0] for c in curves), 3),
            "told_at_end": round(mean(c[-1][1] for c in curves), 3),
            "by_trust": {str(t): round(mean(shares), 3) for t, shares in sorted(bins.items())},
        }
        rows += [
            {"doctor": name, "trust": t, "share": mean(s), "turns": len(s)} for t, s in sorted(bins.items())
        ]
    draw(rows)
    return found


def draw(rows: list[dict[str, Any]]) -> None:
    """The plot of docs/disclosure.svg."""
    import altair as alt

    who = alt.Scale(domain=["kind", "curt"], range=["#1b7f5c", "#b4431f"])
    shares = alt.Y("share:Q", title="gated facts told so far", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("trust:Q", title="trust", scale=alt.Scale(domain=[0, 1])),
        y=shares.axis(format="%"),
        color=alt.Color("doctor:N", title="doctor", scale=who),
    )
    dots = base.mark_point(filled=True).encode(size=alt.Size("turns:Q", title="turns"))
    (base.mark_line() + dots).properties(width=420, height=260).save(str(PLOT))


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
