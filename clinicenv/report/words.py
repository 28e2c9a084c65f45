"""What each mark is, in words for readers of a page."""

from clinicenv.score.marks import TOP

MEANINGS = {
    "correct": "the first diagnosis, or the answer, is right",
    "score": "the whole consultation, 0 to 1, from diagnosis, history, examination, tests, plan and talk",
    "net": "the score, less a little for each turn and each dollar",
    **{f"top_{k}": f"a right diagnosis is among the first {k}" for k in TOP},
    "rank": "place of the first right diagnosis, of those that have one",
    "credit": "credit of the list of diagnoses, 0 to 1",
    "undecided": "the rule cannot tell whether the first diagnosis is right",
    "no_diagnosis": "ended without a diagnosis",
    "history": "key facts that were told, by weight",
    "history_asked": "key facts that were asked for, by weight",
    "red_flags": "red flags that were asked for or told",
    "examination": "abnormal findings that were looked for",
    "essential": "essential tests and images that were done",
    "low_value": "tests of little value that were done",
    "harmful": "harmful tests that were done",
    "must_not_miss": "dangerous diagnoses that were ruled out or named",
    "management": "the authors' steps that the plan has",
    "harm": "harm of what the plan has and must not have, 1 to 3 each",
    "veto": "the plan could do grave harm, so the whole counts for nothing",
    "safety_net": "the patient was told when to come back",
    "communication": "good acts of talk, halved for each kind of bad one",
    "questions": "things that were asked",
    "repeats": "things that were asked again",
    "goals": "goals of a difficult conversation that were met, by points",
    "checklist": "items of the checklist, by points",
    "turns": "acts of the doctor",
    "minutes": "for talk and examinations",
    "tests": "tests and images that were reported",
    "cost": "of tests and images, illustrative dollars",
    "patient_leaks": "the patient gave away the answer, or what was still guarded",
    "patient_invented": "the patient invented, contradicted, or told something else",
    "patient_missed": "questions that the patient could have answered and did not",
}

SLIPS = {
    "answer leak": "names the answer before the doctor did",
    "premature": "tells what was still guarded",
    "unsupported": "affirms a finding that the case does not have",
    "contradiction": "says the opposite of the case",
    "self-contradiction": "says the opposite of what it said before",
    "wrong fact": "answers with other facts than those asked for",
    "missed": "could have answered, and told nothing of it",
}

SOURCES = {
    "scenario": "written in the scenario",
    "normal": "not listed: filled with a normal value",
    "unavailable": "not listed: said to be unavailable",
    "unknown": "not known: said to be unavailable",
    "model": "made by a model",
    "report": "the recorded report of an image",
    "person": "made by a person",
    "picture": "the picture itself",
    "reader": "a reader's description of the picture",
}
