"""Settings: the only reader of the environment.

Every variable is `EVENTLY_` and a field's name in capitals; docs/configuration.md lists them.

A variable that is no setting is refused, so that a typing error cannot silently leave a default in force.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import replace

from evently.db import DatabaseOptions
from evently.kit.logs import LogFormat, LogOptions
from evently.payments import PaymentOptions
from evently.sales import EngineOptions
from evently.web.edge.options import BODY_BYTES_MAX, RateOptions, WebOptions

PREFIX: Final = "EVENTLY_"
HEXADECIMAL: Final = "hex:"  # before a secret that is written so
PROCESSES_UNASKED_MAX: Final = 4  # on one event, more processes gain little: they take turns on its row
_NOT_SETTINGS: Final = frozenset({"EVENTLY_TOKEN"})  # read by `evently rehearse`, which knows why

_OF_THE_PARENT: Final = frozenset({"host", "port", "workers", "data", "pg_bindir"})

Count = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[int, msgspec.Meta(ge=0)]


def _says(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class ConfigError(Exception):
    """The environment cannot be understood; the message is for the person who set it."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, with their defaults."""

    database_url: Annotated[
        str | None,
        _says("PostgreSQL 16 or newer; may name several hosts. Without it, PostgreSQL runs embedded."),
    ] = None
    data: Annotated[Path, _says("Directory of the embedded PostgreSQL.")] = Path("var/data")
    pg_bindir: Annotated[
        Path | None,
        _says("Directory of `postgres` and `initdb`, instead of those that are installed with Evently."),
    ] = None
    host: Annotated[str, _says("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535), _says("Port to listen on; 0 takes a free one.")] = 8000
    workers: Annotated[
        Rate, _says("Processes that answer requests; 0: one for each core, four at the most.")
    ] = 0
    public_url: Annotated[
        str,
        _says(
            "How clients reach this server, without a slash at the end; makes addresses in answers absolute."
        ),
    ] = ""
    secret: Annotated[
        str | None,
        _says(
            "What signs access tokens: 32 characters or more, or `hex:` and digits. Without it, a secret kept in the database."
        ),
    ] = None
    cors_origins: Annotated[str, _says("Origins whose pages may call the API, separated by commas.")] = ""
    trusted_proxies: Annotated[
        str, _says("Networks whose X-Forwarded-For is believed, separated by commas.")
    ] = ""
    log_format: Annotated[LogFormat, _says("`json`, `pretty`, or `auto`: pretty on a terminal.")] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _says("The least that is logged.")] = (
        "info"
    )
    access_log: Annotated[bool, _says("A line for each request.")] = True
    body_bytes_max: Annotated[Count, _says("The longest body of a request, in bytes.")] = BODY_BYTES_MAX
    heavy_reads_max: Annotated[
        Count, _says("Reports and exports that one process makes at a time; others wait for their turn.")
    ] = 2
    redis_url: Annotated[
        str | None,
        _says("Valkey or Redis for rate limits that all machines share. Losing it changes no ticket."),
    ] = None
    rate_bookings: Annotated[
        Rate, _says("Bookings and cancellations per minute for one person; 0 is no limit, here and below.")
    ] = 120
    rate_reads: Annotated[Rate, _says("Reads per minute for one person or address.")] = 60_000
    rate_writes: Annotated[Rate, _says("Other writes per minute for one person.")] = 600
    rate_heavy: Annotated[Rate, _says("Reports and exports per minute for one person.")] = 60
    rate_login: Annotated[Rate, _says("Log-ins per minute from one address.")] = 60
    rate_register: Annotated[Rate, _says("Registrations per minute from one address.")] = 20
    rate_promo_codes: Annotated[
        Rate, _says("Bookings and quotes with a promo code per minute for one person.")
    ] = 30
    lanes: Annotated[
        Count, _says("Batches that one process runs at the same time, each on its own connection.")
    ] = 2
    batch_commands_max: Annotated[Count, _says("Bookings in one transaction.")] = 500
    batch_events_max: Annotated[Count, _says("Events in one transaction; 1 on Citus.")] = 500
    batch_seconds_max: Annotated[
        float,
        msgspec.Meta(gt=0),
        _says("After this a batch's connection is given up and its outcome unknown."),
    ] = 30.0
    queue_commands_max: Annotated[
        Count, _says("Bookings that wait for one lane; more are answered `busy` at once.")
    ] = 20_000
    pool_connections_max: Annotated[
        Count, _says("Database connections of one process, besides its lanes.")
    ] = 8
    prepared_statements: Annotated[
        bool, _says("False behind a transaction pooler that cannot carry prepared statements.")
    ] = True
    gateway: Annotated[
        Literal["demo", "stripe", "door"],
        _says(
            "Who takes the money of what is paid online: `demo` takes nobody's, `stripe` needs the extra, with `door` people pay on site."
        ),
    ] = "demo"
    stripe_key: Annotated[str | None, _says("Stripe's secret key.")] = None
    stripe_webhook_secret: Annotated[
        str | None, _says("What Stripe signs its webhooks with; they go to `/v1/gateways/stripe/webhooks`.")
    ] = None
    stripe_api_base: Annotated[str | None, _says("Where Stripe's API is, instead of at Stripe.")] = None
    metrics_directory: Annotated[
        str | None, _says("Where several workers share their metrics; `serve` sets it.")
    ] = None
    background: Annotated[
        bool, _says("Whether this process also runs the relay, the sweeper and jobs; `serve` and `work` do.")
    ] = True

    def processes(self) -> int:
        """Return how many processes answer requests."""
        return self.workers or min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            PROCESSES_UNASKED_MAX,
        )

    def secret_bytes(self) -> bytes | None:
        """Return what signs access tokens, None to leave it to the database."""
        if self.secret is None or not self.secret.startswith(HEXADECIMAL):
            return None if self.secret is None else self.secret.encode()
        return bytes.fromhex(self.secret.removeprefix(HEXADECIMAL))

    def database_options(self) -> DatabaseOptions:
        """Return where the database is."""
        assert self.database_url is not None, "serve has started one, or there is no use asking"
        return DatabaseOptions(self.database_url, self.pool_connections_max, self.prepared_statements)

    def engine_options(self) -> EngineOptions:
        """Return how wide the engine is."""
        return EngineOptions(
            self.lanes,
            self.batch_commands_max,
            self.batch_events_max,
            self.queue_commands_max,
            self.batch_seconds_max,
        )

    def payment_options(self) -> PaymentOptions:
        """Return who takes the money."""
        return PaymentOptions(
            self.gateway,
            self.stripe_key or "",
            self.stripe_webhook_secret or "",
            self.stripe_api_base,
            demo_page_url=f"{self.public_url.rstrip('/')}/pay",
        )

    def log_options(self) -> LogOptions:
        """Return how to log."""
        return LogOptions(self.log_format, self.log_level)

    def web_options(self, *, pretty_logs: bool) -> WebOptions:
        """Return what the edge is told."""
        rates = {
            name: getattr(self, f"rate_{name}")
            for name in RateOptions.__struct_fields__
            if name != "store_url"
        }
        return WebOptions(
            public_url=self.public_url.rstrip("/"),
            cors_origins=_words(self.cors_origins),
            trusted_proxies=_words(self.trusted_proxies),
            body_bytes_max=self.body_bytes_max,
            heavy_reads_max=self.heavy_reads_max,
            access_log=self.access_log,
            pretty_logs=pretty_logs,
            metrics_directory=self.metrics_directory,
            rates=RateOptions(**rates, store_url=self.redis_url),
        )


def read_config(environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings of this process; refuses a variable that is no setting, and a value that is none for it."""
    found = os.environ if environment is None else environment
    given = {
        name: value for name, value in found.items() if name.startswith(PREFIX) and name not in _NOT_SETTINGS
    }
    known = {PREFIX + field.upper(): field for field in Config.__struct_fields__}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(f"{name} is no setting." + (f" Did you mean {near[0]}?" if near else ""))
    settings: dict[str, str] = {}
    for name, value in given.items():
        if value == "" and _takes_nothing(known[name]):
            continue
        settings[known[name]] = value
    try:
        config = msgspec.convert(settings, Config, strict=False, dec_hook=lambda kind, text: kind(text))
    except msgspec.ValidationError as exc:
        raise ConfigError(_explain(str(exc))) from exc
    _check(config)
    return config


def _check(config: Config) -> None:
    """Refuse what only the whole can show to be wrong."""
    if config.secret is not None and len(config.secret) < 32:  # noqa: PLR2004  # as its description says
        raise ConfigError("EVENTLY_SECRET has fewer than 32 characters.")
    try:
        config.secret_bytes()
    except ValueError as exc:
        raise ConfigError("EVENTLY_SECRET: what follows hex: is not hexadecimal.") from exc
    if config.public_url and not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", config.public_url):
        raise ConfigError(
            f"EVENTLY_PUBLIC_URL: {config.public_url!r} is no address like https://tickets.example."
        )
    if config.gateway == "stripe" and not (config.stripe_key and config.stripe_webhook_secret):
        raise ConfigError(
            "EVENTLY_GATEWAY=stripe needs EVENTLY_STRIPE_KEY and EVENTLY_STRIPE_WEBHOOK_SECRET."
        )
    for origin in _words(config.cors_origins):
        if not re.fullmatch(r"\*|https?://[^/?#]+", origin):
            raise ConfigError(f"EVENTLY_CORS_ORIGINS: {origin!r} is no origin like https://shop.example.")
    for network in _words(config.trusted_proxies):
        try:
            ip_network(network, strict=False)
        except ValueError as exc:
            raise ConfigError(f"EVENTLY_TRUSTED_PROXIES: {network!r} is no network like 10.0.0.0/8.") from exc


def give_to_workers(variables: Mapping[str, str], metrics_directory: str) -> None:
    """Set the environment of the processes started from here.

    The metrics library wants to be told in its own words, before it is imported.
    """
    os.environ.update(variables)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_directory


def variables_for_workers(config: Config, metrics_directory: str) -> dict[str, str]:
    """Return the settings as variables, but for those that only the parent needs."""
    settings = msgspec.to_builtins(replace(config, metrics_directory=metrics_directory), enc_hook=str)
    return {
        PREFIX + name.upper(): str(value)
        for name, value in settings.items()
        if value is not None and name not in _OF_THE_PARENT
    }


def environment_for(**settings: str) -> dict[str, str]:
    """Return the environment of a process to be started: ours, with other settings."""
    return {**os.environ, **{PREFIX + name.upper(): value for name, value in settings.items()}}


def settings_table() -> str:
    """Return the settings as the table of docs/configuration.md."""
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    for field in msgspec.structs.fields(Config):
        default = "" if field.default in (None, "") else f"`{_shown(field.default)}`"
        lines.append(f"| `{PREFIX}{field.name.upper()}` | {default} | {_description(field.type)} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _description(shape: object) -> str:
    return next(
        meta.description
        for meta in getattr(shape, "__metadata__", ())
        if isinstance(meta, msgspec.Meta) and meta.description
    )


def _takes_nothing(field: str) -> bool:
    """Return whether an empty variable means the default: it does where a default is None."""
    return Config().__getattribute__(field) is None


def _explain(message: str) -> str:
    reason, _, path = message.partition(" - at `$.")
    return f"{PREFIX}{path.rstrip('`').upper()}: {reason}." if path else message


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
