"""The linter: everything that is wrong with a scenario file, with its line and what to do."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clinicenv.clinic import (
    lint_agenda,
    lint_content,
    lint_images,
    lint_links,
    lint_questions,
    lint_text,
)
from clinicenv.clinic.lint_case import Case, Finding
from clinicenv.files import FileFaults, InputError, load_model
from clinicenv.scenario import Scenario

__all__ = ["RULES", "Finding", "lint_file", "lint_files"]

RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    lint_links.unique_ids,
    lint_links.fact_references,
    lint_links.exclusions,
    lint_links.other_references,
    lint_links.act_names,
    lint_links.concept_ids,
    lint_links.attainable,
    lint_agenda.agenda_references,
    lint_agenda.twin,
    lint_text.answer_named,
    lint_text.readability,
    lint_content.measured_values,
    lint_content.vital_signs,
    lint_images.image_files,
    lint_content.reachable,
    lint_content.required_for_task,
    lint_questions.question_form,
    lint_content.storable,
    lint_content.origin,
    lint_content.by_hand,
)


def lint_files(paths: Sequence[Path]) -> list[Finding]:
    """All findings on some files, file by file, those that only several files show included."""
    together = lint_questions.pair_findings(paths)
    of_file: dict[str, list[Finding]] = {}
    for finding in together:
        of_file.setdefault(finding.file, []).append(finding)
    return [f for path in paths for f in sorted([*lint_file(path), *of_file.get(str(path), ())], key=_place)]


def lint_file(path: Path) -> list[Finding]:
    """All findings on a scenario file, in order of line; what does not load is a finding too."""
    try:
        scenario, document = load_model(Scenario, path)
    except FileFaults as e:
        return [Finding(str(path), f.line, f.field, "error", f.what) for f in e.faults]
    except InputError as e:
        return [Finding(str(path), e.line or 1, "", "error", e.what)]
    case = Case(scenario, document, path)
    found = {finding for rule in RULES for finding in rule(case)}
    return sorted(found, key=_place)


def _place(f: Finding) -> tuple[int, str, str, str]:
    return f.line, f.level, f.field, f.what
