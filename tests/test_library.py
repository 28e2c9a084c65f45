"""The bundled library as a whole: how many, how spread, how split, and that twins are twins."""

from collections import defaultdict

from clinicenv import shipped
from clinicenv.agents.baselines import baselines
from clinicenv.clinic.lint import lint_file
from clinicenv.clinic.names import same_diagnosis
from clinicenv.scenario import find_files, select

ALL = select("all")
TO_DIAGNOSE = [s for s in ALL if s.answer.diagnosis]


def test_there_are_thirty_cases_over_ten_specialties_in_three_splits() -> None:
    assert len(ALL) >= 30
    assert len({s.meta.specialty for s in ALL}) >= 10
    assert {s.meta.split for s in ALL} == {"train", "dev", "test"}
    assert len([s for s in ALL if s.task == "communicate"]) >= 5


def test_no_diagnosis_is_in_two_splits() -> None:
    for one in TO_DIAGNOSE:
        for other in TO_DIAGNOSE:
            mine, theirs = one.answer.diagnosis, other.answer.diagnosis
            assert mine is not None
            assert theirs is not None
            if same_diagnosis(mine.name, theirs.name, theirs.synonyms):
                assert one.meta.split == other.meta.split, (one.id, other.id)


def test_there_are_three_groups_of_look_alikes_with_different_answers() -> None:
    groups = defaultdict(list)
    for s in TO_DIAGNOSE:
        if s.meta.group and not s.twin_of:
            groups[s.meta.group].append(s)
    assert len(groups) >= 3
    for cases in groups.values():
        assert len(cases) >= 3
        assert len({s.answer.diagnosis.name for s in cases if s.answer.diagnosis}) == len(cases)
    assert {s.id for s in select("group:lower-belly-pain")} >= {"lower-belly-pain-01", "lower-belly-pain-02"}


def test_there_are_four_twins_and_lint_holds_them_to_their_cases() -> None:
    assert len([s for s in ALL if s.twin_of]) >= 4
    assert [f for p in find_files(shipped.folder("scenarios")) for f in lint_file(p)] == []


def test_every_case_names_two_sources_that_it_was_checked_against() -> None:
    assert [s.id for s in ALL if len({source.name for source in s.meta.sources}) < 2] == []


def test_most_cases_are_not_given_away_by_door_note_and_opening() -> None:
    known = [b for s in TO_DIAGNOSE if (b := baselines(s))]
    assert len(known) == len(TO_DIAGNOSE)
    assert sum(b.guess for b in known) / len(known) < 0.5
    assert sum(b.door_note for b in known) / len(known) < 0.5


def test_six_pairs_of_questions_differ_in_picture_and_report_alone_and_in_the_right_option() -> None:
    pairs = defaultdict(list)
    for s in ALL:
        if s.question and s.question.pair:
            pairs[s.question.pair].append(s)
    assert len(pairs) >= 6
    assert len({s.images[0].modality for two in pairs.values() for s in two}) >= 4
    for two in pairs.values():
        seen, pictures, right = set(), set(), set()
        for s in two:
            assert s.question
            (image,) = s.images
            pictures.add(image.draw.model_dump_json() if image.draw else None)
            right.add(next(o.id for o in s.question.options if o.correct))
            bare = [o.model_copy(update={"correct": False}) for o in s.question.options]
            asked = s.question.model_copy(update={"options": tuple(bare)})
            same = image.model_copy(update={"report": "-", "draw": None})
            seen.add(s.model_copy(update={"id": "-", "question": asked, "images": (same,)}).model_dump_json())
        assert (len(seen), len(pictures), len(right)) == (1, 2, 2)
