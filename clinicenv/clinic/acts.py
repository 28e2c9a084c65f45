"""Dialogue acts: what a doctor's line does beside asking, and how its questions are put.

Some acts are known by phrases of the lexicon. How a line feels to the patient is known by rules over classes
of words, how a question leads by its form, and jargon by how words are built. All words stand in acts.yaml.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import yaml

from clinicenv.clinic.lexicon import FILES, find_act_words, listed, routing
from clinicenv.events import Probe

_OPEN_QUESTION = re.compile(
    r"\W*(?:(?:and|so|but|ok|okay|well|now|then|please|um|uh|can you|could you|would you)\W+)*"
    r"(?:(?:what|how)(?! (?:about|long|often|many|much|old|far|bad)\b)|why|tell|describe|talk|walk|explain"
    r"|take me|run me)\b",
    re.IGNORECASE,
)
_OPEN_INTENTS = frozenset({"opening", "tell_me_more", "anything_else"})


def find_acts(
    clauses: Sequence[tuple[str, list[str]]], asks: Sequence[bool], probes: Sequence[Probe]
) -> Iterator[str]:
    """The acts of one sentence: those whose words are said, and the form of each question.

    `clauses` are (text, word stems), `asks` says which of them ask, and `probes` what they ask for.
    """
    known: list[str] = []
    for (text, tokens), asking in zip(clauses, asks, strict=True):
        known += _phrases(text, tokens, asking, probes)
        known += _felt(text, asking)
        if asking:
            known.append(_form(text, tokens, probes))
    whole = ", ".join(text for text, _ in clauses).replace("\u2019", "'")
    jargon = has_jargon(whole) or ("jargon" in known and not _glosses()["any"].search(whole))
    leading = _leads(whole.lower(), any(asks), known)
    yield from (act for act in known if act not in ("jargon", "leading"))
    yield from (act for act, found in (("jargon", jargon), ("leading", leading)) if found)


def _phrases(text: str, tokens: list[str], asking: bool, probes: Iterable[Probe]) -> Iterator[str]:
    """The acts whose phrases of the lexicon are in a clause."""
    offer = asking and not {"i", "we", "me"}.isdisjoint(tokens)
    for act in find_act_words(tokens):
        told_only = act in routing("only_told") and not (offer and act in routing("offered"))
        mistaken = act == "hostile" and any(p.text == text and (p.concept or p.slot) for p in probes)
        if not mistaken and not (asking and told_only):
            yield act


def _form(text: str, tokens: list[str], probes: Iterable[Probe]) -> str:
    if _OPEN_QUESTION.match(text) or any(p.intent in _OPEN_INTENTS and p.text == text for p in probes):
        return "ask_open"
    return "ask_choice" if "or" in tokens and any(p.slot for p in probes) else "ask_closed"


@cache
def _data() -> dict[str, Any]:
    return dict(yaml.load(FILES[1].read_text(encoding="utf-8"), yaml.CSafeLoader))


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    act: str
    asked: bool
    """holds in questions too"""
    needs: tuple[int, ...]
    """sets of words and classes as bits: a line must have one of each set"""
    pattern: re.Pattern[str]


@dataclass(slots=True)
class _Rules:
    """Classes of words and the rules over them, filed under a word or class that they cannot do without."""

    classes: dict[str, list[str]] = field(default_factory=dict)
    """word, or beginning of a word with a star -> its classes, each with the number of its words"""
    phrases: dict[str, list[tuple[list[str], str]]] = field(default_factory=dict)
    """first word -> the phrases that begin with it, each with its class"""
    lengths: dict[str, set[int]] = field(default_factory=dict)
    filed: dict[str, list[_Rule]] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)


_WORD = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)*|[,:()\u2013\u2014]|-(?= )")
_ENDINGS = {"re": "are", "ve": "have", "ll": "will", "d": "would", "m": "am", "s": "is"}
_ABBREVIATION = re.compile(r"[A-Z]{2,6}\d?s?|[A-Z]{1,4}\d{1,3}[A-Z]?")
_GAPS = {"..": "{0,3}?", "...": "{0,8}?"}
_ENDS = {"$": "(?=, |$)", ".": "$"}


def _tokens(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def _spelt_out(token: str) -> list[str]:
    """The words of a contraction; a mark inside a sentence is a comma."""
    if token in _data()["short"]:
        return str(_data()["short"][token]).split()
    if token.endswith("n't"):
        return [token[:-3], "not"]
    head, _, tail = token.rpartition("'")
    return [head, _ENDINGS.get(tail, tail)] if head else [token if token.isalnum() else ","]


@cache
def _rules() -> _Rules:
    rules = _Rules()
    for name, members in _data()["words"].items():
        for member in dict.fromkeys(listed(members)):
            words = [word for token in _tokens(member) for word in _spelt_out(token)]
            rules.lengths.setdefault(name, set()).add(len(words))
            if len(words) > 1:
                rules.phrases.setdefault(words[0], []).append((words, f"{name}{len(words)}"))
            else:
                rules.classes.setdefault(member if member[-1] == "*" else words[0], []).append(f"{name}1")
    for key in ("rules", "asked"):
        for act, lines in _data()[key].items():
            for line in lines:
                _file(rules, act, key == "asked", line)
    return rules


def _file(rules: _Rules, act: str, asked: bool, line: str) -> None:
    needs = [
        {name.split("_")[0] for name in item.split("|")}
        for item in line.split()
        if item[0] not in "^!." and item[-1] not in "?$"
    ]
    common = frozenset(listed(_data()["common"]))
    needs.sort(key=lambda names: (len(names & common), -min(map(len, names))))
    bits = (sum(rules.bits.setdefault(name, 1 << len(rules.bits)) for name in names) for names in needs[1:])
    rule = _Rule(act, asked, tuple(bits), re.compile(_pattern(line, rules.lengths)))
    for name in needs[0]:
        rules.filed.setdefault(name, []).append(rule)


def _pattern(line: str, lengths: dict[str, set[int]]) -> str:
    """A rule as a pattern over words that are marked with their classes."""
    pattern = r"(?:^|(?<= ))"
    for item in line.split():
        if item in _GAPS:
            pattern += rf"(?:(?!,|[^ ]*/NOT\d)[^ ]+ ){_GAPS[item]}"
        elif item == "^":
            pattern = r"(?:^|(?<=, ))(?:[^ ]*/START1(?=[/ ])[^ ]* )*"
        else:
            either = "|".join(_either(name, lengths) for name in item.strip("!?").split("|"))
            pattern += f"(?!{either})" if item[0] == "!" else f"(?:{either})" + "?" * (item[-1] == "?")
    return pattern


def _either(name: str, lengths: dict[str, set[int]]) -> str:
    if name in _ENDS:
        return _ENDS[name]
    if not name.isupper():
        return "".join(rf"{word}(?:/[^ ]*)? " for word in name.split("_"))
    return "|".join(rf"[^ ]*/{name}{n}(?=[/ ])[^ ]* " + "[^ ]+ " * (n - 1) for n in sorted(lengths[name]))


@dataclass(frozen=True, slots=True)
class _Mark:
    """A word with its classes behind it, as in `scared/FEEL1/HARD1 `, and what hangs on them."""

    word: str
    classes: tuple[str, ...]
    text: str
    bits: int
    told: frozenset[_Rule]
    asked: frozenset[_Rule]
    phrases: dict[str, list[tuple[list[str], "_Mark"]]]
    """second word -> the rest of each phrase that begins with these two, and its mark"""


def _mark(word: str, names: Sequence[str]) -> _Mark:
    rules, keys = _rules(), {name.rstrip("123456789") for name in names}
    told = frozenset(rule for key in keys for rule in rules.filed.get(key, ()))
    bits = sum(rules.bits.get(key, 0) for key in keys)
    phrases: dict[str, list[tuple[list[str], _Mark]]] = {}
    for (_, second, *rest), name in rules.phrases.get(word, ()):
        phrases.setdefault(second, []).append((rest, _mark("", (name,))))
    classes = tuple(name.rstrip("123456789") for name in names if name != word)
    return _Mark(
        word, classes, "/".join(names) + " ", bits, told, frozenset(r for r in told if r.asked), phrases
    )


@lru_cache(maxsize=16384)
def _token_marks(token: str) -> tuple[_Mark, ...]:
    known, marks = _rules().classes, []
    for word in _spelt_out(token):
        stars = [name for n in range(3, len(word) + 1) for name in known.get(word[:n] + "*", ())]
        marks.append(_mark(word, (word, *known.get(word, ()), *stars)))
    return tuple(marks)


@lru_cache(maxsize=16)  # a clause, and the line where it is all of it
def _marks(text: str) -> tuple[str, list[_Mark]]:
    """The line of marked words, and all marks in it."""
    marks = [mark for token in _tokens(text) for mark in _token_marks(token)]
    line = [mark.text for mark in marks]
    for i in range(len(line) - 1):
        for rest, mark in marks[i].phrases.get(marks[i + 1].word, ()):
            if [m.word for m in marks[i + 2 : i + 2 + len(rest)]] == rest:
                line[i] = f"{line[i][:-1]}/{mark.text}"
                marks.append(mark)
    return "".join(line), marks


def marks(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """The words of a text, each with the classes that it is in; those of phrases stand after all words."""
    return [(mark.word, mark.classes) for mark in _marks(text)[1]]


def _felt(text: str, asking: bool) -> list[str]:
    """The acts whose rules hold in a clause; comfort counts only before what is asked."""
    inverted = asking and bool(_leading()["inverted"].match(text.lower()))
    found = _held(text, inverted)
    if asking and not inverted and "reassure" in found:
        told = re.split(r", (?:so|and|but) ", text)[:-1]
        found -= {"reassure"} - _held(", ".join(told), False)
    return sorted(found)


def _held(text: str, inverted: bool) -> set[str]:
    line, marks = _marks(text)
    said = 0
    for mark in marks:
        said |= mark.bits
    found: set[str] = set()
    for rule in {rule for mark in marks for rule in (mark.asked if inverted else mark.told)}:
        if rule.act not in found and all(said & need for need in rule.needs):
            match = rule.pattern.search(line)
            if match and not _doubtful(rule.act, line[: match.start()]):
                found.add(rule.act)
    return found - {"empathise", "validate"} if "hostile" in found else found


def _doubtful(act: str, before: str) -> bool:
    """Whether what goes before makes a good prospect uncertain, or denies it or an insult."""
    near = before.rsplit(",", 1)[-1].split()
    if act == "reassure":
        return "/IF" in before or any("/NOT" in word for word in near[-4:])
    return act == "hostile" and any("/NOT" in word for word in near[-1:])


@cache
def _glosses() -> dict[str, re.Pattern[str]]:
    """What before a word, what after it and what anywhere shows that it is explained."""
    w = {name: "|".join(listed(_data()["jargon"][name])) for name in ("called", "meant", "apart")}
    before = rf"(?:(?:{w['called']})\b[^,]*?|, (?:\w+ )?called|\()"
    after = (
        rf"(?:[,(:\u2013\u2014-]?\s*\b(?:{w['meant']})\b|,? \(?or (?:{w['apart']})\b|[,(] ?(?:an?|the) \w+ )"
    )
    forms = (f"{before}|{after}", rf"{before}\s*(?:[\w'-]+\s+){{0,3}}$", rf"[\w\s'-]{{0,30}}?{after}")
    compiled = [re.compile(form, re.IGNORECASE) for form in forms]
    return dict(zip(("any", "before", "after"), compiled, strict=True))


def has_jargon(text: str) -> bool:
    """Whether a sentence has a word that only clinicians use, and does not say what it means."""
    terms = [] if text.isupper() else [m for m in re.finditer(r"[^\W_]+", text) if _is_jargon(m[0])]
    before, after = _glosses()["before"], _glosses()["after"]
    return any(not before.search(text[: m.start()]) and not after.match(text[m.end() :]) for m in terms)


@cache
def _jargon(name: str) -> frozenset[str]:
    return frozenset(listed(_data()["jargon"][name]))


@lru_cache(maxsize=16384)
def _is_jargon(word: str) -> bool:
    lower = word.lower()
    if lower in _jargon("words"):
        return True
    if not _jargon("lay").isdisjoint((lower, lower.removesuffix("s"))):
        return False
    if _ABBREVIATION.fullmatch(word):
        return word not in _jargon("household")
    built = lower.startswith((*_jargon("beginnings"),)) or lower.endswith((*_jargon("endings"),))
    return built and len(lower) > 5


@cache
def _leading() -> dict[str, re.Pattern[str]]:
    """The forms of questions, for text in lower case."""
    w = {name: "(?:" + "|".join(listed(words)) + ")" for name, words in _data()["leading"].items()}
    start = rf"\W*(?:{w['fillers']}\W+)*"
    verb, who = w["auxiliaries"], w["pronouns"]
    forms = {
        "inverted": rf"{start}(?:{verb}(?:n't)?\b|which(?! (?:means?|{verb})\b)|{w['question_words']}\b"
        rf"(?! (?:{who}|the|your)\b)|{w['prepositions']} (?:what|which|whom|how)\b"
        r"|(?:any\w*|tell me|describe)\b)",
        "tag": rf"\b(?P<verb>{verb})(?:n't)?\s+{who}(?:\s+not)?\s*[?.!]*$",
        "word_tag": rf"\b{w['tags']}\s*\?+$",
        "command": rf"{start}{w['commands']}\b",
        "presumed": rf"{start}{w['presumed']}\b(?=.*(?:\?|\b(?:you|your|no|there)\b))",
        "guessed": rf"{start}(?:{w['guessed']}\b|(?!won't|can't){verb}n't (?:{who}|your?|the|any\w*|\w+ing)\b"
        rf"|(?:do|does|did|is|are|was|were|have|has|would|should) {who} not\b)",
        "none": rf"{start}(?:no|not|never|nothing|none|neither)\b\s+(?!{w['no_denial']}\b)\w",
        "stated": rf"\b{w['verbs']}\b|\w'(?:s|re|ve|d|ll)\b|\wn't\b",
        "aside": rf"{start}{w['asides']}\b",
        "unsure": r"\bor\b(?! anything| something| so\b| any)|\b(?:any\w*|ever|at all)\b"
        rf"|\b(?:what|where|who|which|how \w+)\W*(?:\w+\W*){{0,3}}$|\b{w['dangling']}\W*$|\b{w['echoes']}\b",
        "said_before": rf"\b{w['echoes']}\b",
        "denied": r"\b(?:not?|never|nothing|nobody|none)\b|n't\b",
        "choice": r"\bor (?!any|some)",
        "not_leading": rf"\b{w['other_acts']}\b",
        "third_person": r"\b(?:you|it|he|she|they|that|there)\b",
    }
    return {name: re.compile(form) for name, form in forms.items()}


def _leads(text: str, asks: bool, known: Iterable[str]) -> bool:
    """Whether a sentence puts the answer into the patient's mouth."""
    form, asked = _leading(), text.rstrip().endswith(("?", "\uff1f"))
    if form["presumed"].match(text) or (asked and form["guessed"].match(text)):
        return True
    if not asks or form["inverted"].match(text):
        return False
    if asked and form["none"].match(text):
        return True
    for name in ("tag", "word_tag"):
        tag = form[name].search(text)
        if tag and tag.start() and (asked or name == "tag"):
            main = text[: tag.start()].rstrip(" ,;\u2013\u2014-")
            summary = form["said_before"].search(main) or len(main.split()) > 14
            return not ("is that" in tag[0] and summary) and _told(main, tag.groupdict().get("verb"))
    return asked and _declared(text, known)


def _told(main: str, verb: str | None) -> bool:
    """Whether what stands before a tag is a statement: no question, no order."""
    form = _leading()
    offer = verb in ("will", "would", "could", "can", "shall", "wo", "ca")
    order = form["command"].match(main) or (offer and not form["third_person"].search(main))
    asks = main.endswith(" or") or form["inverted"].match(main.rsplit(",", 1)[-1])
    return not (order or asks) and len(main.split()) > 1


def _declared(text: str, known: Iterable[str]) -> bool:
    """Whether a question has the form of a statement, as in "So the pain is worse at night?"."""
    form, (first, *later) = _leading(), text.split(",")
    asks = any(form["inverted"].match(part) and not form["tag"].fullmatch(part.strip()) for part in later)
    if asks or form["command"].match(first) or form["aside"].match(first):
        return False
    if later and form["none"].match(later[-1]):
        return True
    if not form["stated"].search(text) or form["not_leading"].search(" ".join(known)):
        return False
    denied = form["denied"].search(text) and not form["choice"].search(text)
    return bool(denied) or not form["unsure"].search(text)
