"""What a model patient is told between the doctor's lines, in square brackets.

Facts that it may tell now, what it must not, and what the doctor's line did to its agenda.
"""

from collections.abc import Iterable, Iterator, Mapping

from clinicenv.clinic.lexicon import label, parent
from clinicenv.events import Heard, Withheld
from clinicenv.story import Fact
from clinicenv.view import Script

NO_DIRECTIONS = str.maketrans("[]", "()")
"""Square brackets are the core's: a doctor cannot write directions for the patient."""

_OPEN_THE_DOOR = "[You now feel able to tell, if asked: {}]"
_AS_ANOTHER = "[{}, who is here, can now tell, if asked; answer as {} then, the name first: {}]"
_TURNED_TO = "[The doctor turns to {}, who is in the room: answer as {}, the name first.]"
_CUE = "[Let this slip in your answer, in your own words: {}]"
_CORRECTED = "[The doctor has put right what you believed ({}). Show that you see it now: {}]"
_DECIDED = {
    "agreed": "[{} now agree, in your own words: {}]",
    "refused": "[{} do not agree as yet, in your own words: {}]",
}
_WITHHOLD = {
    "deny": "[If asked about {}: say no, and nothing more.]",
    "evade": "[If asked about {}: evade; say neither yes nor no, and nothing more.]",
    "partial": "[If asked about {}: hint that there is something, without any detail.]",
}


def about(fact: Fact, script: Script) -> str:
    """What a fact is about, in lay words; only its group where the name itself would give the answer away."""
    concept = fact.concept
    return label(parent(concept) or "history") if concept in script.unnamed else label(concept)


def directions(heard: Heard, facts: Mapping[str, Fact], script: Script) -> Iterator[str]:
    """The directions that go with one line of the doctor's; `facts` are those opened so far, by id."""
    for fact in (facts[i] for i in heard.opened):
        yield _opened(fact, script)
    yield from _withheld(heard.withheld)
    yield from _on_agenda(heard, script)


def _opened(fact: Fact, script: Script) -> str:
    text = f"{about(fact, script)}: {fact.say[0]}"
    other = next((o for o in script.others if fact.unlock and o.id == fact.unlock.informant), None)
    return _AS_ANOTHER.format(other.name, other.name, text) if other else _OPEN_THE_DOOR.format(text)


def _on_agenda(heard: Heard, script: Script) -> Iterator[str]:
    names = {o.id: o.name for o in script.others}
    yield from (_TURNED_TO.format(names[i], names[i]) for i in heard.turned_to)
    beliefs = {b.id: b for b in script.beliefs}
    yield from (_CORRECTED.format(beliefs[i].holds, beliefs[i].then_says) for i in heard.corrected)
    decisions = {d.id: d for d in script.decisions}
    for kind, ids, words in (("agreed", heard.agreed, "agrees"), ("refused", heard.refused, "refuses")):
        for decision in (decisions[i] for i in ids):
            who = names.get(decision.maker or "", "You")
            yield _DECIDED[kind].format(who, getattr(decision, words))
    yield from (_CUE.format(c.say) for c in script.cues if c.id == heard.cue)


def _withheld(given: Iterable[Withheld]) -> Iterator[str]:
    for about, how in dict.fromkeys((" ".join(w.about.split()), w.how) for w in given):
        yield _WITHHOLD[how].format(f"'{about.translate(NO_DIRECTIONS)}'")
