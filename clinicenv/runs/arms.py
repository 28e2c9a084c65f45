"""Arms divided by one of their settings: who plays a role, a profile, the seed, ..."""

from collections.abc import Callable, Mapping
from typing import Any

from clinicenv.events import Header, to_data
from clinicenv.runs.results import USUAL, arm_of, plan_of, seat_name

Data = dict[str, Any]
"""a header as JSON data"""

ALONE = "as usual"
"""The name of an arm that nothing else sets apart."""


def divided(header: Header, setting: str) -> tuple[str, str]:
    """The value of a setting (one of `SETTINGS`), and the arm's name without it."""
    data: Data = to_data(header)
    value, rest = SETTINGS[setting](data)
    return value, rest


def _doctor(data: Data) -> tuple[str, str]:
    value = seat_name(data["cast"].get("doctor", {}))
    return value, arm_of(data).removeprefix(value).removeprefix(", ") or ALONE


def _player(role: str) -> Callable[[Data], tuple[str, str]]:
    def split(data: Data) -> tuple[str, str]:
        seat = data["cast"].get(role, {})
        value = seat_name(seat) or "none"
        usual = {**seat, "agent": {"name": USUAL[role], **_kept(seat)}} if role in USUAL else None
        return value, arm_of(_with_seat(data, role, usual))

    return split


def _kept(seat: Mapping[str, Any]) -> Data:
    """What else of a seat's agent has a place in the arm's name."""
    return {name: seat["agent"][name] for name in ("images", "language") if name in seat.get("agent", {})}


def _profile(role: str) -> Callable[[Data], tuple[str, str]]:
    def split(data: Data) -> tuple[str, str]:
        if role not in data["cast"]:
            return "none", arm_of(data)
        seat = data["cast"][role]
        value = seat.get("profile", {}).get("id", "default")
        return value, arm_of(_with_seat(data, role, {**seat, "profile": {}}))

    return split


def _with_seat(data: Data, role: str, seat: Data | None) -> Data:
    cast = {name: s for name, s in data["cast"].items() if name != role}
    return {**data, "cast": {**cast, role: seat} if seat is not None else cast}


def _images(data: Data) -> tuple[str, str]:
    agent = data["cast"].get("measurement", {}).get("agent", {})
    value = ", ".join([data.get("images", "request"), *plan_of(agent.get("images", {}))])
    seat = {**data["cast"].get("measurement", {}), "agent": {**agent, "images": {}}}
    return value, arm_of({**_with_seat(data, "measurement", seat), "images": "request"})


def _seed(data: Data) -> tuple[str, str]:
    return str(data.get("seed", 0)), arm_of({**data, "seed": 0})


def _limits(data: Data) -> tuple[str, str]:
    named = [f"{name} {data['limits'][name]:g}" for name in data.get("limits_set", ())]
    return ", ".join(named) or "the scenarios' own", arm_of({**data, "limits_set": ()})


SETTINGS: dict[str, Callable[[Data], tuple[str, str]]] = {
    "doctor": _doctor,
    "patient": _player("patient"),
    "measurement": _player("measurement"),
    "moderator": _player("moderator"),
    "profile": _profile("patient"),
    "doctor-profile": _profile("doctor"),
    "measurement-profile": _profile("measurement"),
    "moderator-profile": _profile("moderator"),
    "images": _images,
    "seed": _seed,
    "limits": _limits,
}
"""What a comparison can be divided by beside the scenarios; `profile` is the patient's."""
