"""Doctors of three grades who know the case: what they do well and badly is written down."""

from collections.abc import Callable
from typing import Any

from clinicenv import Diagnose, Examine, OrderTests, Say
from clinicenv.consultation import Turn
from clinicenv.events import Plan
from clinicenv.scenario import Scenario

Acts = list[Any]


class Reads:
    """Does one thing after the other."""

    def __init__(self, acts: Acts) -> None:
        self.acts = acts

    def act(self, turn: Turn) -> Any:
        return self.acts[min(turn.view.turn, len(self.acts)) - 1]


def _essential(s: Scenario) -> list[str]:
    return [t.name for t in (*s.tests, *s.images) if t.indicated == "essential"]


def _low_value(s: Scenario) -> list[str]:
    return [t.name for t in (*s.tests, *s.images) if t.indicated in ("low_value", "harmful")]


def _looked_for(s: Scenario) -> list[str]:
    return ["vital signs", *dict.fromkeys(f.manoeuvre for f in s.exam.findings if f.abnormal)]


def _plain(text: str) -> str:
    return text.replace(";", ",")


def good(s: Scenario) -> Acts:
    answer = s.answer.diagnosis
    assert answer
    others = [d.name for d in s.answer.differentials if d.credit > 0 or d.plausibility >= 0.2]
    dangers = [d.name for d in s.answer.must_not_miss]
    plan = Plan(
        investigations=". ".join(s.plan.investigations),
        treatment=". ".join((*s.plan.immediate, *s.plan.treatment)),
        escalation=". ".join(s.plan.referral),
        follow_up="review in one week",
        safety_net=". ".join(s.plan.safety_net),
        explanation="what it is, where it comes from, and what we will do",
    )
    return [
        Say("Hello, my name is Dr Reed, I am one of the doctors here. What brings you in today?"),
        Say("I am so sorry, that must be frightening. Please tell me more about it."),
        Say("When did it start? Where exactly is it? How would you describe it?"),
        Say("Does it go anywhere else? How bad is it from 1 to 10? Does it come and go?"),
        Say("What makes it worse? What makes it better? Did anything else come with it?"),
        Say("Do you have a fever? Do you have a cough? Do you feel sick?"),
        Say("Have you lost weight? Have you any pain in the chest? Are you short of breath?"),
        Say(
            "Do you have any other medical conditions? Have you had any operations? Have you had this before?"
        ),
        Say("Do you take any medicines? Do you take them as you should? Are you allergic to anything?"),
        Say("Does anything run in your family? Is there any heart disease in the family? Do you smoke?"),
        Say("What is your work? Who lives with you at home?"),
        Say(
            "I can see how hard this has been for you. What do you think it could be? What worries you most?"
        ),
        Say("What were you hoping that we could do for you today? How does it affect your daily life?"),
        [Say("Would it be all right if I examine you now?"), Examine(tuple(_looked_for(s))[:20])],
        OrderTests(tuple(_essential(s))[:20] or ("full blood count",)),
        Say("To summarise: you told me how it began and what makes it worse. Did I get that right?"),
        Say(
            "Let me explain what I think this is. That must be a lot to take in, I understand that you are"
            " scared."
        ),
        Say(
            "Here is the plan, if you agree: we treat you today and see you in a week. If it gets worse,"
            " come back at once. Do you have any questions? Thank you for coming, goodbye."
        ),
        Diagnose(tuple(dict.fromkeys(map(_plain, (answer.name, *others, *dangers))))[:10], plan),
    ]


def average(s: Scenario) -> Acts:
    answer = s.answer.diagnosis
    assert answer
    first = next((d.name for d in s.answer.differentials), "viral illness")
    plan = Plan(treatment=". ".join(s.plan.treatment[: max(1, len(s.plan.treatment) // 2)]))
    essential = _essential(s)
    return [
        Say("Hello. What brings you in today?"),
        Say("When did it start? Where is it? How bad is it?"),
        Say("Do you have a fever? Do you have a cough?"),
        Say("Do you have any other medical conditions? Do you take any medicines?"),
        Say("Does anything run in your family?"),
        Say("I am sorry to hear that. What do you think it could be? Who lives with you at home?"),
        Examine(tuple(_looked_for(s)[: 1 + len(_looked_for(s)) // 3])),
        OrderTests(tuple(essential[: max(1, len(essential) // 2)]) or ("full blood count",)),
        Say("I think we know what this is. We will treat it. Come back if it gets worse."),
        Diagnose((_plain(first), _plain(answer.name)), plan),
    ]


def bad(s: Scenario) -> Acts:
    harm = s.plan.avoid[0].item if s.plan.avoid else "opioids for everything"
    unfit = _low_value(s)
    return [
        Say("You don't have a fever, do you?"),
        Say("Don't waste my time, you are being ridiculous."),
        Say("It is merely idiopathic paroxysmal dyspnoea with orthopnoea."),
        Say("You are exaggerating. I suspect a somatoform aetiology."),
        OrderTests(tuple(unfit[:20]) or ("tumour markers",)),
        Diagnose(("nothing serious",), Plan(treatment=harm)),
    ]


GRADES: dict[str, Callable[[Scenario], Acts]] = {"good": good, "average": average, "bad": bad}
