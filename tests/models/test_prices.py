"""Prices come from the user's file, for the model that was meant, and are never guessed."""

from pathlib import Path

import pytest

from clinicenv import shipped
from clinicenv.files import InputError
from clinicenv.models.call import Usage
from clinicenv.models.names import ModelName
from clinicenv.models.prices import Price, Prices

SERVER = "http://localhost:8000/v1"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CLINICENV_PRICES", raising=False)


def _file(path: Path, dollars: float) -> Path:
    path.write_text(f"openai:m: {{input: {dollars}, output: 1}}\n")
    return path


def _input(prices: Prices, model: str = "openai:m") -> float | None:
    price = prices.price_of(model)
    return None if price is None else price.input


def test_tokens_cost_what_the_price_says() -> None:
    price = Price(input=2, output=10, cached_input=0.5)
    assert price.usd(Usage(1_000_000, 100_000)) == pytest.approx(3.0)
    assert price.usd(Usage(1_000_000, 100_000, cached_tokens=400_000)) == pytest.approx(
        0.6 * 2 + 0.4 * 0.5 + 1
    )
    assert price.usd(Usage(1000, 100, reasoning_tokens=90)) == pytest.approx(0.003)
    assert Price(input=2, output=10).usd(Usage(1_000_000, 0, cached_tokens=400_000)) == pytest.approx(2.0)
    assert price.usd(Usage(10, 0, cached_tokens=1_000_000)) == pytest.approx(10 * 0.5 / 1e6)


def test_the_most_that_a_call_can_cost_is_without_a_cache() -> None:
    price = Price(input=2, output=10, cached_input=0.5)
    assert price.most(1000, 100) == pytest.approx(0.003)
    assert price.most(1000, 100) >= price.usd(Usage(1000, 100, cached_tokens=500))
    assert Price(input=1, output=0, cached_input=3).most(1_000_000, 0) == pytest.approx(3.0)


def test_the_file_that_is_named_wins_then_the_environment_then_this_folder_then_the_bundled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = Prices.load()
    assert bundled.price_of("openai:m") is None
    assert bundled.price_of("openai:gpt-4.1-mini") is not None
    _file(Path("prices.yaml"), 1)
    assert _input(Prices.load()) == 1
    assert Prices.load().price_of("openai:gpt-4.1-mini") is None
    monkeypatch.setenv("CLINICENV_PRICES", str(_file(tmp_path / "mine.yaml", 2)))
    assert _input(Prices.load()) == 2
    assert _input(Prices.load(_file(tmp_path / "named.yaml", 3))) == 3


def test_the_bundled_prices_are_sane_and_each_says_where_it_is_from() -> None:
    text = shipped.file("prices.yaml").read_text()
    models = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and line[0].isalpha()]
    prices = Prices.load()
    assert models
    for model in models:
        assert str(ModelName.parse(model)) == model
        price = prices.price_of(model)
        assert price is not None
        assert price.source.startswith("https://")
        assert 0 < (price.cached_input or price.input) <= price.input < price.output < 100


def test_a_price_without_an_address_is_for_the_provider_only() -> None:
    prices = Prices(
        {
            "openai:m": Price(input=1, output=1),
            "openai:*": Price(input=2, output=2),
            f"openai:m@{SERVER}/": Price(input=3, output=3),
            f"openai:*@{SERVER}": Price(input=4, output=4),
            "openai:m@http://gpu*": Price(input=5, output=5),
        }
    )
    assert _input(prices, "openai:m") == 1
    assert _input(prices, "openai/m") == 1
    assert _input(prices, "openai:other") == 2
    assert _input(prices, f"openai:m@{SERVER}") == 3
    assert _input(prices, f"openai:other@{SERVER}") == 4
    assert _input(prices, "openai:m@http://gpu7:8000/v1") == 5
    assert _input(prices, "openai:m@http://localhost:9000/v1") is None
    assert _input(prices, "anthropic:m") is None


def test_of_several_entries_the_longest_match_is_used() -> None:
    prices = Prices(
        {
            "openai:gpt-*": Price(input=1, output=1),
            "openai:gpt-mini-*": Price(input=2, output=2),
            "openai:gpt-mini": Price(input=3, output=3),
            "openai:gpt-mini*": Price(input=4, output=4),
        }
    )
    models = ["gpt-large", "gpt-mini-2026", "gpt-mini", "gpt-mini2", "gp"]
    assert [_input(prices, f"openai:{m}") for m in models] == [1, 2, 3, 4, None]


def test_an_unknown_model_has_no_price_and_a_local_one_costs_nothing() -> None:
    prices = Prices({"openai:m": Price(input=1, output=1)})
    assert prices.price_of("openai:unknown") is None
    assert prices.price_of("FakeChatModel") is None
    local = prices.price_of("local:/models/smol")
    assert local is not None
    assert local.usd(Usage(1000, 1000)) == 0
    assert _input(Prices({"local:*": Price(input=7, output=7)}), "local:/models/smol") == 7


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("openai:m:\n  input: 1\n  output: -2\n", 3, "openai:m.output: .*greater than or equal to 0"),
        ("openai:m:\n  input: '1'\n  output: 2\n", 2, "openai:m.input: .*valid number"),
        ("openai:m:\n  input: true\n  output: 2\n", 2, "openai:m.input: .*valid number"),
        ("openai:m:\n  input: .nan\n  output: 2\n", 2, "openai:m.input: .*finite"),
        ("openai:m:\n  input: 1\n  output: 2\n  cached: 3\n", 4, "cached.*is not a field.*cached_input"),
        ("openai:m:\n  input: 1\n", 1, "openai:m.output: is missing"),
        ("# mine\nopenai:m: 3\n", 2, "openai:m"),
        ("# mine\ngpt-9: {input: 1, output: 2}\n", 2, "`gpt-9` is not a model"),
        ("openai:g*t: {input: 1, output: 2}\n", 1, "at the end"),
        ("openai:m@http://h:p@x: {input: 1, output: 2}\n", 1, "password"),
        ("openai:m: {input: 1, output: 2}\nopenai/m: {input: 1, output: 2}\n", 2, "has an entry already"),
        ("openai:m: {input: 1, output: 2}\nopenai:m: {input: 1, output: 2}\n", 2, "stands here twice"),
        ("openai:m: {input: 1, output: 2, date: soon}\n", 1, "openai:m.date"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        Prices.load(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("text", ["", "- openai:m\n", "\x00"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"wrong\.yaml"):
        Prices.load(path)


def test_a_named_file_that_is_missing_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINICENV_PRICES", str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match=r"none\.yaml"):
        Prices.load()
