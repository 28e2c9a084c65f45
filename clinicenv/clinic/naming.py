"""What a clause names: its concepts, which of them are asked about, and which only say when or with what."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from clinicenv.clinic.clauses import Clause
from clinicenv.clinic.lexicon import descendants, find_concepts, lexicon, normalise, routing

Span = tuple[str, int, int]
_JOINS = frozenset({"or", "and"})


def concepts_of(clause: Clause) -> list[Span]:
    """The concepts of a clause; none of them goes over a comma ("cough, blood in your urine")."""
    tokens = clause.tokens
    spans = find_concepts(tokens, loose=True)
    if any(start < b < end for b in clause.breaks for _, start, end in spans):
        pieces = zip((0, *clause.breaks), (*clause.breaks, len(tokens)), strict=True)
        spans = [(n, b + s, b + e) for b, c in pieces for n, s, e in find_concepts(tokens[b:c], loose=True)]
    if not any(name in lexicon().remedies for name, _, _ in spans):
        spans += _named_medicine(clause)
    return spans


_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{4,}")


def _named_medicine(clause: Clause) -> list[Span]:
    """Who is asked about taking Xyz is asked about a medicine, whatever Xyz is."""
    if routing("taking").isdisjoint(clause.tokens):
        return []
    known = lexicon().known
    names = {t for name in _NAME.findall(clause.text) for t in normalise(name)} - known
    return [("medication", i, i + 1) for i, t in enumerate(clause.tokens) if t in names][:1]


def heads_of(clause: Clause, spans: list[Span], *, named: bool) -> tuple[list[str], list[str]]:
    """What is asked about, and what only says when or with what; `named`: something is asked of it."""
    tokens = clause.tokens
    heads: dict[str, None] = {}
    circumstances: dict[str, None] = {}
    spans = _without_lead_in(_before_examples(clause, spans), tokens)
    behind = behind_from(tokens)
    aside, last = False, 0
    for n, (name, start, end) in enumerate(spans):
        listed = n > 0 and _only_between(tokens[last:start])
        if not (listed and aside):
            before = [t for t in tokens[max(0, start - 3) : start] if t not in routing("between")]
            aside = start >= behind or (bool(before) and before[-1] in routing("before_context"))
            aside = aside and bool(heads or named)
        (circumstances if aside else heads)[name] = None
        last = end
    for name in _background(heads, spans, tokens):
        del heads[name]
        circumstances[name] = None
    apart = _JOINS.isdisjoint(tokens) and not clause.breaks
    beside = _side_by_side(spans, clause)
    kept = [
        h
        for h in heads
        if not _gives_way(h, [o for o in (*heads, *circumstances) if (h, o) not in beside], apart=apart)
    ]
    groups = [h for h in kept if lexicon().section_intent.get(h, "").startswith("ros_")]
    if groups and kept[0] == groups[0]:  # "any trouble with your hormones, thyroid, glands?"
        kept = [h for h in kept if h == groups[0] or not is_a(h, groups[0])]
    return kept or list(heads), [c for c in circumstances if c not in heads]


_EXAMPLE = re.compile(r"\b(?:such as|for (?:example|instance)|e\.?g\b|, say\b)", re.IGNORECASE)


def _before_examples(clause: Clause, spans: list[Span]) -> list[Span]:
    """Without those that are examples of what is named before them: "any heart trouble, such as pain?"."""
    found = _EXAMPLE.search(clause.text) if spans else None
    if not found:
        return spans
    ahead = len(normalise(clause.text[: found.start()]))
    return [s for s in spans if s[1] < ahead and s[0] != "family_history"] or spans


def _without_lead_in(spans: list[Span], tokens: list[str]) -> list[Span]:
    """Without what only leads to an illness: "have you been diagnosed with asthma or gout?"."""
    led = [
        s
        for n, s in enumerate(spans)
        if s[0] == "past_illness"
        and n + 1 < len(spans)
        and is_illness(spans[n + 1][0])
        and not routing("leads_to_illness").isdisjoint(tokens[s[1] : spans[n + 1][1]])
    ]
    return [s for s in spans if s not in led]


def _background(heads: Iterable[str], spans: list[Span], tokens: list[str]) -> list[str]:
    """Those that are only the scene of the others: "any stress at home", "does your wife hear you snore"."""
    heads = list(heads)
    behind = [h for h in heads if h in routing("background")]
    if len(behind) == len(heads):
        behind = [h for h in heads if h in routing("backdrop")]
    joined = any(
        (one in behind or other in behind) and _only_between(gap) and not _JOINS.isdisjoint(gap)
        for (one, _, end), (other, start, _) in pairwise(spans)
        for gap in [tokens[end:start]]
    )
    return [] if joined or len(behind) == len(heads) else behind  # "any cuts or injuries" asks for both


def _side_by_side(spans: list[Span], clause: Clause) -> set[tuple[str, str]]:
    """The pairs that "or" or a comma sets side by side: "sweating or night sweats" asks for both."""
    found = set()
    for (one, _, end), (other, start, _) in pairwise(spans):
        gap = clause.tokens[end:start]
        apart = "or" in gap or any(end <= b <= start for b in clause.breaks)
        if apart and _only_between(gap) and "anything" not in clause.tokens[start:]:
            found |= {(one, other), (other, one)}
    return {pair for pair in found if routing("loose").isdisjoint(pair)}


def _only_between(gap: list[str]) -> bool:
    return not set(gap) - routing("between") - {"or", "and", "also"}


def _gives_way(concept: str, others: Iterable[str], *, apart: bool) -> bool:
    """Whether another is what is meant, as a member of this group may be ("pain in your knee")."""
    lex = lexicon()
    own = lex.gives_way.get(concept, frozenset())
    if concept in (
        "past_illness",
        "collateral",
    ):  # "any past history of headaches", "did they say it was asthma?"
        own = lex.symptoms | (_members("past_illness") if apart else frozenset())
    elif concept in routing("loose_groups") and (apart or concept == "pain"):
        own |= _members(concept)
    return any(o != concept and o in own for o in others)


def behind_from(tokens: list[str]) -> int:
    """Where "when ...", "after ..." or the like begins; not of "when did it start", "if you could"."""
    for k, word in enumerate(tokens[:-1]):
        ahead = tokens[k + 1 : k + (3 if word == "if" else 2)]
        if word in routing("conjunctions") and routing("auxiliaries").isdisjoint(ahead):
            return k
    return len(tokens)


@lru_cache(maxsize=1024)
def _members(group: str) -> frozenset[str]:
    return frozenset((group, *descendants(lexicon(), group)))


def is_illness(concept: str) -> bool:
    """Whether it is a disease or the like of the past history."""
    return is_a(concept, "past_illness") and concept not in routing("no_illness")


def is_a(concept: str, group: str | None) -> bool:
    """Whether it is the group or one of its members."""
    return group is not None and concept in _members(group)
