"""`clinicenv models list|check` and `clinicenv check`: what they print, their exit codes, and no key ever."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import clinicenv
from fake_server import HANG, HTML, MALFORMED, Failure, FakeServer, nobody

from clinicenv.cli import models
from clinicenv.cli.main import call

KEY = "sk-canary-0123456789"
TWO = Failure(200, {"object": "list", "data": [{"id": "zeta"}, {"id": "alpha"}]})

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no server, no downloaded model and no prices of the machine's owner."""
    variables = {v for names in models.PROVIDERS.values() for v in names}
    for name in {*variables, "OPENAI_BASE_URL", "CLINICENV_PRICES", "HF_HUB_CACHE", "CLINICENV_MEMORY_GB"}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = call([*arguments])
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        assert all(c.isprintable() or c == "\n" for c in said.out + said.err)
        return code, said.out, said.err

    return run


def sources(run: Run) -> dict[str, Any]:
    code, out, _ = run("models", "list", "--json")
    assert code == 0
    return {row["what"]: row for row in json.loads(out)}


# list --------------------------------------------------------------------------------------------


def test_the_models_of_a_server_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(key=KEY) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.fail(TWO, TWO)
        row = sources(run)["openai"]
        _, out, _ = run("models", "list")
    assert row["state"] == "ok"
    assert [m["model"] for m in row["models"]] == ["openai:alpha", "openai:zeta"]
    assert out.index("openai:alpha") < out.index("openai:zeta")
    assert [seen.path for seen in server.requests] == ["/v1/models"] * 2
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (Failure(404, {"detail": "Not Found"}), "404: Not Found"),
        (Failure(401, {"error": {"message": f"bad key {KEY}"}}), "refused the key"),
        (Failure(500, "\x1b[31mbroken"), "500"),
        (HTML, "not with a list of models"),
        (MALFORMED, "not with a list of models"),
        (Failure(200, {"data": [{"name": "x"}]}), "not with a list of models"),
        (Failure(200, {"data": None}), "not with a list of models"),
        (HANG, "did not answer in time"),
    ],
)
def test_a_server_that_lists_nothing_is_one_row(
    run: Run, monkeypatch: pytest.MonkeyPatch, failure: Failure, says: str
) -> None:
    monkeypatch.setattr(models, "_LISTING", 0.5)
    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.fail(failure)
        row = sources(run)["openai"]
    assert (row["state"], row["models"]) == ("error", [])
    assert says in row["detail"]
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_one_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody() as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        row = sources(run)["openai"]
    assert row["state"] == "error"
    assert "no connection" in row["detail"]


def test_the_key_is_not_carried_to_another_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer() as thief, FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.fail(Failure(307, "", {"location": f"{thief.url}/models"}))
        row = sources(run)["openai"]
        assert thief.requests == []
    assert "another address" in row["detail"]


def test_a_key_alone_asks_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources(run)["openai"]["state"] == "ok"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert sources(run)["openai"]["state"] == "missing"


def test_other_providers_need_a_package_and_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"langchain": "1.4", "langchain-anthropic": "1.7", "langchain-ollama": "1.0"}
    monkeypatch.setattr(models, "_version", here.get)
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    rows = sources(run)
    assert (rows["anthropic"]["state"], "set ANTHROPIC_API_KEY" in rows["anthropic"]["detail"]) == (
        "missing",
        True,
    )
    assert rows["ollama"]["state"] == "ok"
    assert rows["mistralai"]["detail"] == "MISTRAL_API_KEY is set; pip install langchain-mistralai"
    assert "groq" not in rows
    assert "groq" in rows["other providers"]["detail"]
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert sources(run)["anthropic"]["state"] == "ok"
    here.clear()
    assert sources(run)["langchain"]["detail"].endswith("pip install 'clinicenv[langchain]'")


def test_every_provider_is_one_that_langchain_knows() -> None:
    pytest.importorskip("langchain")
    from langchain.chat_models import init_chat_model

    with pytest.raises(ValueError, match="Unsupported") as e:
        init_chat_model("any", model_provider="nobody")
    assert [p for p in models.PROVIDERS if p not in str(e.value)] == []


def test_downloaded_models_have_their_sizes(run: Run, tmp_path: Path) -> None:
    stored = tmp_path / "hf" / "hub" / "models--some--tiny"
    for part in (stored / "refs", stored / "snapshots" / "abc"):
        part.mkdir(parents=True)
    (stored / "refs" / "main").write_text("abc")
    (stored / "snapshots" / "abc" / "model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "hf" / "hub" / "models--half--fetched").mkdir()
    row = sources(run)["local: downloaded"]
    assert row["models"] == [{"model": "local:some/tiny", "bytes": 1000}]


def test_memory_for_local_models_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "12")
    assert "12.0 GB free" in sources(run)["local: memory"]["detail"]
    monkeypatch.setenv("CLINICENV_MEMORY_GB", "much")
    assert sources(run)["local: memory"]["state"] == "error"


def test_the_prices_in_use_are_told(run: Run, tmp_path: Path) -> None:
    assert sources(run)["prices"]["models"]
    (tmp_path / "prices.yaml").write_text("openai:mine: {input: 1, output: 2}\n")
    row = sources(run)["prices"]
    assert (row["detail"], row["models"]) == (
        "1 in prices.yaml",
        [{"model": "openai:mine", "bytes": None}],
    )
    (tmp_path / "prices.yaml").write_text("openai:mine: {input: cheap, output: 2}\n")
    row = sources(run)["prices"]
    assert row["state"] == "error"
    assert row["detail"].startswith("prices.yaml:1: ")


# check -------------------------------------------------------------------------------------------


def test_several_models_each_with_its_findings(run: Run) -> None:
    with FakeServer(lambda _: "Hello.", key=KEY) as server, nobody() as url:
        one, two = f"openai:one@{server.url}", f"openai:two@{url}"
        code, out, _ = run("models", "check", one, two, one, "--json")
        assert code == 1
        reports = json.loads(out)
        assert [(r["model"], r["answers"]) for r in reports] == [(one, True), (two, False)]
        states = [{f["what"]: f["state"] for f in r["findings"]} for r in reports]
        assert (states[0]["answers"], states[0]["sight"]) == ("ok", "no")
        assert (states[1]["reachable"], states[1]["sight"]) == ("error", "skipped")

        code, out, _ = run("models", "check", one)
    assert code == 0
    first, *lines = out.splitlines()
    assert first == one
    assert [line.split()[0] for line in lines] == list(states[0].values())


def test_the_models_that_the_server_has_are_checked_unasked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(lambda _: "\x1b[31mHello.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.fail(TWO)
        code, out, _ = run("models", "check")
        assert code == 0
        assert {seen.body.get("model") for seen in server.requests[1:]} == {"alpha", "zeta"}
        assert "openai:alpha\n" in out

        many = Failure(200, {"data": [{"id": f"m{n}"} for n in range(50)]})
        server.fail(many)
        code, _, err = run("models", "check")
        assert (code, "serves 50 models" in err) == (2, True)
        server.fail(Failure(200, {"data": []}))
        code, _, err = run("models", "check")
        assert (code, "names no model" in err) == (2, True)
        code, _, err = run("models", "check")  # its own answer is a 404
        assert (code, "404" in err, err.count("\n")) == (2, True, 1)


def test_without_a_model_it_is_said_what_to_give(run: Run) -> None:
    code, out, err = run("models", "check")
    assert (code, out) == (2, "")
    assert err.startswith("clinicenv: name a model, e.g. openai:NAME")


def test_what_is_no_model_is_told_before_any_call(run: Run) -> None:
    with FakeServer() as server:
        code, out, err = run("models", "check", f"openai:tiny@{server.url}", "tiny")
    assert (code, out, server.requests) == (2, "", [])
    assert "`tiny` is not a model" in err


def test_a_model_that_cannot_be_asked_stops_no_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FakeServer(lambda _: "Hello.") as server:
        code, out, _ = run("models", "check", "openai:x", "local:./none", f"openai:y@{server.url}", "--json")
    assert code == 1
    first, second, third = json.loads(out)
    assert "set OPENAI_API_KEY" in first["findings"][0]["detail"]
    assert "there is no such folder" in second["findings"][0]["detail"]
    assert third["answers"]


def test_a_local_server_is_ended(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clinicenv.models import local

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(local, "serving_command", lambda *_: ["sh", "-c", "echo no weights; exit 3"])
    code, out, _ = run("models", "check", f"local:{folder}")
    assert code == 1
    assert "ended with exit code 3" in out
    assert "no weights" in out
    assert local._servers == {}


# the other verb ----------------------------------------------------------------------------------


def test_check_names_the_keys_that_are_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    _, out, _ = run("check", "--json")
    rows = {row["what"]: row for row in json.loads(out)}
    assert rows["GROQ_API_KEY"] == {"what": "GROQ_API_KEY", "state": "ok", "detail": "set"}
    assert "XAI_API_KEY" not in rows
    assert {"extra `langchain`", "extra `local`", "extra `lookup`", "extra `models`"} <= rows.keys()


def test_the_help_loads_no_client() -> None:
    shown = clinicenv("models", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert shown.returncode == 0
    assert "check" in shown.stdout
    loaded = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "clinicenv.models.names" in loaded  # so the verb itself is loaded
    assert loaded & {"openai", "langchain", "aiohttp", "torch", "httpx"} == set()
