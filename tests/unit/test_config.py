"""Settings: understood or refused, and documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from evently.config import PREFIX, Config, ConfigError, read_config, settings_table, variables_for_workers
from evently.sales import EngineOptions
from evently.web.edge.options import RateOptions

DOCS = Path(__file__).parents[2] / "docs"


def test_without_variables_everything_has_its_default() -> None:
    assert read_config({"PATH": "/bin", "HOME": "/"}) == Config()


def test_variables_are_read() -> None:
    config = read_config(
        {
            "EVENTLY_PORT": "0",
            "EVENTLY_WORKERS": "3",
            "EVENTLY_ACCESS_LOG": "false",
            "EVENTLY_DATA": "/srv/evently",
            "EVENTLY_BATCH_SECONDS_MAX": "2.5",
            "EVENTLY_CORS_ORIGINS": " https://a.example, https://b.example ,",
            "EVENTLY_PUBLIC_URL": "https://tickets.example/",
            "EVENTLY_DATABASE_URL": "",
        }
    )
    assert (config.port, config.workers, config.access_log, config.data, config.batch_seconds_max) == (
        0,
        3,
        False,
        Path("/srv/evently"),
        2.5,
    )
    assert config.database_url is None, "an empty variable is none"
    web = config.web_options(pretty_logs=False)
    assert web.cors_origins == ("https://a.example", "https://b.example")
    assert web.public_url == "https://tickets.example"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("EVENTLY_PROT", "1", "EVENTLY_PROT is not a setting. Did you mean EVENTLY_PORT?"),
        ("EVENTLY_DATABSE_URL", "x", "Did you mean EVENTLY_DATABASE_URL?"),
        ("EVENTLY_XYZZY", "1", "EVENTLY_XYZZY is not a setting."),
        ("EVENTLY_PORT", "eighty", "EVENTLY_PORT: Expected `int`"),
        ("EVENTLY_PORT", "70000", "EVENTLY_PORT: Expected `int` <= 65535"),
        ("EVENTLY_WORKERS", "-1", "EVENTLY_WORKERS: Expected `int` >= 0"),
        ("EVENTLY_LOG_LEVEL", "loud", "EVENTLY_LOG_LEVEL: Invalid enum value 'loud'"),
        ("EVENTLY_ACCESS_LOG", "maybe", "EVENTLY_ACCESS_LOG: Expected `bool`"),
        ("EVENTLY_SECRET", "short", "EVENTLY_SECRET has fewer than 32 characters"),
        ("EVENTLY_SECRET", "hex:" + " " * 28, "hex: and fewer than 64 digits"),
        ("EVENTLY_SECRET", "hex:" + "ab" * 31, "hex: and fewer than 64 digits"),
        ("EVENTLY_SECRET", "hex:" + "xy" * 32, "not hexadecimal"),
        ("EVENTLY_MONITORING_NETWORKS", "10.0.0.0/8,nonsense", "EVENTLY_MONITORING_NETWORKS: 'nonsense'"),
        ("EVENTLY_TRUSTED_PROXIES", "10.0.0.0/8,nonsense", "EVENTLY_TRUSTED_PROXIES: 'nonsense'"),
        ("EVENTLY_CORS_ORIGINS", "shop.example", "EVENTLY_CORS_ORIGINS: 'shop.example'"),
        ("EVENTLY_PUBLIC_URL", "tickets.example", "EVENTLY_PUBLIC_URL: 'tickets.example'"),
    ],
)
def test_what_is_no_setting_is_refused_with_a_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({name: value})
    assert sentence in str(caught.value)


def test_variables_of_platforms_are_understood() -> None:
    config = read_config({"PORT": "8123", "DATABASE_URL": "postgres://ann:secret@db.internal/evently"})
    assert (config.port, config.database_url) == (8123, "postgres://ann:secret@db.internal/evently")
    assert read_config({"PORT": "", "DATABASE_URL": ""}) == Config()


def test_settings_prevail_over_variables_of_platforms() -> None:
    theirs = {"PORT": "8123", "DATABASE_URL": "postgresql:///theirs"}
    ours = {"EVENTLY_PORT": "0", "EVENTLY_DATABASE_URL": "postgresql:///ours"}
    assert read_config(theirs | ours) == read_config(ours)
    chosen = {"EVENTLY_PORT": "0", "EVENTLY_DATA": "/srv/evently"}
    assert read_config(theirs | chosen) == read_config(chosen), "a data directory was chosen"


def test_a_wrong_variable_of_a_platform_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"^PORT: Expected `int`"):
        read_config({"PORT": "tcp://10.0.0.1:80"})


def test_workers_read_what_their_parent_decided() -> None:
    config = Config(
        database_url="postgresql:///x",
        port=1,
        rate_bookings=7,
        access_log=False,
        cors_origins="https://a.example",
        log_format="json",
    )
    variables = variables_for_workers(config, "/tmp/metrics")  # noqa: S108  # a name
    again = read_config(variables)
    assert again == msgspec.structs.replace(config, port=8000, metrics_directory="/tmp/metrics")  # noqa: S108  # the same
    assert "EVENTLY_PORT" not in variables


def test_every_rate_can_be_set() -> None:
    assert {f"rate_{name}" for name in RateOptions.__struct_fields__ if name != "store_url"} <= set(
        Config.__struct_fields__
    )
    assert Config().web_options(pretty_logs=False).rates == RateOptions()


def test_the_engine_has_its_limits_and_those_that_are_set() -> None:
    assert Config().engine_options() == EngineOptions()
    limits: dict[str, Any] = {
        "lanes": 3,
        "batch_commands_max": 7,
        "queue_commands_max": 50,
        "batch_seconds_max": 2.5,
    }
    assert Config(**limits).engine_options() == EngineOptions(**limits)


def test_the_documentation_lists_every_setting() -> None:
    assert settings_table() in (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert all(f"`{PREFIX}{name.upper()}`" in settings_table() for name in Config.__struct_fields__)
