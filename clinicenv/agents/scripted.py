"""The scripted patient and measurement agent: the clinical engine, seated."""

from clinicenv.clinic import answers, measurement
from clinicenv.consultation import Turn
from clinicenv.events import Leave, Rate, Report, Say
from clinicenv.view import MeasurementView, PatientView


class ScriptedPatient:
    """Answers from the facts of the case, and from nothing else."""

    def act(self, turn: Turn) -> Say | Leave | Rate:
        assert isinstance(turn.view, PatientView)
        if Rate in turn.legal:
            return answers.rate(turn.view)
        return answers.reply(turn.view, turn.draw)


class ScriptedMeasurement:
    """Looks up what examinations, tests and images show."""

    def act(self, turn: Turn) -> Report:
        assert isinstance(turn.view, MeasurementView)
        return measurement.report(turn.view, lambda item: turn.draw("result", item))
