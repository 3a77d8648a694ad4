"""The settings. No other module reads the environment.

    read_config()       the settings of this process, from its environment
    Config.*_options()  the part of the settings that one module needs, as a struct of that module
    settings_table()    the table of docs/configuration.md

Every variable is called `EVENTLY_` plus the name of a field in capitals. A variable that is no setting is
refused, so that a typing error cannot silently leave a default in force. `PORT` and `DATABASE_URL`, which
hosting platforms set, mean `EVENTLY_PORT` and `EVENTLY_DATABASE_URL` where those are unset.
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

from evently.accounts import Site, find_site
from evently.accounts.rehearsals import REHEARSAL_BUYERS_MAX
from evently.db import DatabaseOptions
from evently.kit.logs import LogFormat, LogOptions
from evently.mail import MailOptions, is_sender, read_server
from evently.payments import DEMO_PAGE_PATH, PaymentOptions
from evently.push import PushOptions, is_contact, is_key
from evently.reactions.rehearsing import RehearsalOptions
from evently.sales import EngineOptions
from evently.tickets import WalletOptions
from evently.web.edge.options import BODY_BYTES_MAX, RateOptions, WebOptions
from evently.webhooks import WebhookOptions

PREFIX: Final = "EVENTLY_"
SECRET_BYTES_MIN: Final = 32  # RFC 7518, 3.2: a key of HS256 has at least the size of the hash
HEXADECIMAL: Final = "hex:"  # the prefix of a secret in hexadecimal digits
# Selling one event gains little from more processes: they take turns on the event's row.
DEFAULT_PROCESSES_MAX: Final = 4
DEMO_SENDER: Final = "Evently <tickets@evently.example>"
_NOT_SETTINGS: Final = frozenset({"EVENTLY_TOKEN"})  # an option of `evently rehearse`
# Variables of hosting platforms: the setting that each stands for, and the settings that prevail over it. A
# data directory that was chosen is meant, whatever database another program in this shell uses.
_OF_PLATFORMS: Final = {
    "PORT": ("port", ("port",)),
    "DATABASE_URL": ("database_url", ("database_url", "data")),
}
_ONLY_FOR_THE_PARENT: Final = frozenset({"host", "port", "workers", "data", "backups", "pg_bindir"})

Count = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[int, msgspec.Meta(ge=0)]


def _help(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class ConfigError(Exception):
    """A setting or an option is wrong; the message tells the operator which one and why."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, with their defaults."""

    database_url: Annotated[
        str | None,
        _help(
            "URL of PostgreSQL 16 or newer; may name several hosts. If unset, `DATABASE_URL` counts, unless "
            "`EVENTLY_DATA` is set; without either, PostgreSQL runs embedded."
        ),
    ] = None
    data: Annotated[Path, _help("Data directory of the embedded PostgreSQL.")] = Path("var/data")
    backups: Annotated[
        Path | None,
        _help(
            "Directory of backups: the embedded PostgreSQL archives its log there, so that a restore "
            "reaches any moment since the first `evently backup`. Put it on another disk."
        ),
    ] = None
    pg_bindir: Annotated[
        Path | None,
        _help("Directory with the programs `postgres` and `initdb`, to use instead of the embedded ones."),
    ] = None
    host: Annotated[str, _help("Address to listen on; `localhost` is 127.0.0.1 and ::1.")] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        _help("Port to listen on; 0 picks a free one. If unset, `PORT` counts."),
    ] = 8000
    workers: Annotated[
        Rate, _help("Number of worker processes; 0 starts one per processor core, at most four.")
    ] = 0
    public_url: Annotated[
        str,
        _help(
            "URL at which clients reach this server, such as `https://tickets.example`; links in answers "
            "start with it."
        ),
    ] = ""
    secret: Annotated[
        str | None,
        _help(
            "Secret that signs access tokens: at least 32 characters, or `hex:` and at least 64 digits. "
            "If unset, a secret is generated and kept in the database."
        ),
    ] = None
    cors_origins: Annotated[
        str, _help("Origins whose web pages may call the API, separated by commas; `*` allows all.")
    ] = ""
    trusted_proxies: Annotated[
        str,
        _help("Networks of proxies that are trusted to name their clients, separated by commas."),
    ] = ""
    client_header: Annotated[
        str,
        _help(
            "Header in which trusted proxies name their clients: `X-Forwarded-For`, `Forwarded` (RFC 7239), "
            "or another one with addresses, such as `X-Real-IP`. Others are not read."
        ),
    ] = "X-Forwarded-For"
    monitoring_networks: Annotated[
        str,
        _help(
            "Networks that may read `/metrics` and `/health`, and the checks in `/readyz`, separated by "
            "commas. "
            "If empty, everybody may."
        ),
    ] = ""
    log_format: Annotated[
        LogFormat, _help("Format of the logs: `json`, `pretty`, or `auto` (pretty on a terminal).")
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _help("Lowest level that is logged: `debug`, `info`, `warning` or `error`."),
    ] = "info"
    access_log: Annotated[bool, _help("Whether to log a line for each request.")] = True
    body_bytes_max: Annotated[Count, _help("Maximum size of a request body, in bytes.")] = BODY_BYTES_MAX
    heavy_reads_max: Annotated[
        Count, _help("Reports and exports that one process computes at the same time; others wait.")
    ] = 2
    redis_url: Annotated[
        str | None,
        _help(
            "URL of Valkey or Redis, for rate limits that all machines share. It keeps only these counters: "
            "losing it loses no ticket."
        ),
    ] = None
    rate_bookings: Annotated[
        Rate, _help("Bookings and cancellations per minute and person. For all rates, 0 means no limit.")
    ] = 120
    rate_reads: Annotated[Rate, _help("Reads per minute and person, or per address without a log-in.")] = (
        60_000
    )
    rate_writes: Annotated[Rate, _help("Other writes per minute and person.")] = 600
    rate_heavy: Annotated[Rate, _help("Reports and exports per minute and person.")] = 60
    rate_login: Annotated[Rate, _help("Log-ins per minute and address.")] = 60
    rate_register: Annotated[Rate, _help("Registrations per minute and address.")] = 20
    rate_suggestions: Annotated[
        Rate,
        _help("Suggestions of seats and checks of single seats per minute and person, or per address."),
    ] = 1_200
    rate_promo_codes: Annotated[
        Rate, _help("Bookings and quotes with a promo code per minute and person.")
    ] = 30
    lanes: Annotated[
        Count,
        _help("Batches of bookings that one process runs at the same time, each on its own connection."),
    ] = 2
    batch_commands_max: Annotated[Count, _help("Maximum number of bookings in one transaction.")] = 500
    batch_seconds_max: Annotated[
        float,
        msgspec.Meta(gt=0),
        _help(
            "Time limit of a batch, in seconds. After it the connection is dropped, and clients are told "
            "that the outcome is unknown."
        ),
    ] = 30.0
    queue_commands_max: Annotated[
        Count, _help("Maximum number of bookings that wait for one lane; further ones are refused as `busy`.")
    ] = 20_000
    pool_connections_max: Annotated[
        Count, _help("Maximum number of database connections of one process, besides those of its lanes.")
    ] = 8
    prepared_statements: Annotated[
        bool,
        _help(
            "Whether to use prepared statements; `false` behind a transaction pooler that cannot use them."
        ),
    ] = True
    gateway: Annotated[
        Literal["demo", "stripe", "door"] | None,
        _help(
            "Payment gateway for online bookings: `stripe` (needs the extra), `door` (paid on site), or "
            "`demo` (no real money; `serve --demo` uses it). If unset, nothing is sold online."
        ),
    ] = None
    stripe_key: Annotated[str | None, _help("Secret key of the Stripe account.")] = None
    stripe_webhook_secret: Annotated[
        str | None,
        _help("Secret that signs Stripe's webhooks; Stripe sends them to `/v1/gateways/stripe/webhooks`."),
    ] = None
    stripe_api_base: Annotated[
        str | None, _help("URL of the Stripe API, to use another server in its place (for tests).")
    ] = None
    typefaces: Annotated[
        Path | None,
        _help(
            "Directory with more typefaces (TrueType, OpenType) for printed tickets, for scripts that the "
            "ones of the package do not have."
        ),
    ] = None
    smtp_url: Annotated[
        str | None,
        _help(
            "Mail server: `smtp://host:25` (no encryption), `smtp+starttls://user:password@host:587`, or "
            "`smtps://user:password@host:465`. If unset, no e-mail is sent."
        ),
    ] = None
    mail_from: Annotated[
        str, _help("Sender of e-mails, such as `Evently <tickets@evently.example>`; bounces go there.")
    ] = ""
    mail_connections_max: Annotated[
        Count, _help("Maximum number of connections of one process to the mail server.")
    ] = 4
    push_contact: Annotated[
        str | None,
        _help(
            "Whom push services write to about this sender, such as `mailto:admin@evently.example`. If "
            "unset, no web push is offered."
        ),
    ] = None
    push_key: Annotated[
        str | None,
        _help(
            "Private key of web push (VAPID): 32 bytes in base64url. If unset, a key is generated and kept "
            "in the database. With another key, people must turn their devices on again."
        ),
    ] = None
    webhook_networks: Annotated[
        str,
        _help(
            "Networks that webhooks may call although they are not public, separated by commas, such as "
            "`10.1.0.0/16`. There `http` and other ports than 443 are allowed, too."
        ),
    ] = ""
    demo: Annotated[
        bool,
        _help(
            "Whether this is the demo: without a mail server, `/demo/mail` shows every e-mail to everybody. "
            "`serve --demo` sets it."
        ),
    ] = False
    local_url: Annotated[
        str,
        _help("URL that begins links in e-mails when `EVENTLY_PUBLIC_URL` is unset; `serve` sets it."),
    ] = "http://127.0.0.1:8000"
    apple_certificate: Annotated[
        Path | None,
        _help(
            "Certificate of a pass type (PEM), with which tickets are signed for Apple Wallet; needs the "
            "other two settings of Apple."
        ),
    ] = None
    apple_key: Annotated[Path | None, _help("Private key of that certificate (PEM, not encrypted).")] = None
    apple_authority: Annotated[
        Path | None, _help("Certificate of the issuer of that certificate: Apple's WWDR (PEM).")
    ] = None
    google_account: Annotated[
        Path | None,
        _help(
            "Key file (JSON) of a service account that may issue passes for Google Wallet; needs "
            "`EVENTLY_GOOGLE_ISSUER`."
        ),
    ] = None
    google_issuer: Annotated[str | None, _help("Issuer id of the account at Google Wallet.")] = None
    rehearsal_buyers_max: Annotated[
        int,
        msgspec.Meta(ge=0, le=REHEARSAL_BUYERS_MAX),
        _help(
            "Maximum number of simulated buyers in a rehearsal that organizers start on this installation; "
            "0 turns these rehearsals off."
        ),
    ] = 5_000
    rehearsal_requests_max: Annotated[
        Count,
        _help(
            "Requests of such a rehearsal that are under way at the same time. The fewer there are, the less "
            "real buyers notice of it, and the longer it takes."
        ),
    ] = 200
    rehearsal_url: Annotated[
        str | None,
        _help(
            "URL at which simulated buyers reach this installation, such as that of a load balancer; if "
            "unset, `EVENTLY_LOCAL_URL`. A process of `evently work` runs rehearsals only if it is set."
        ),
    ] = None
    archive: Annotated[
        str | None,
        _help(
            "Directory of archived journals (`evently archive`): each process reads them there, so machines "
            "share it."
        ),
    ] = None
    metrics_directory: Annotated[
        str | None, _help("Directory in which the workers share their metrics; `serve` sets it.")
    ] = None
    background: Annotated[
        bool, _help("Whether this process also does background work: the relay, the sweeper and jobs.")
    ] = True

    def processes(self) -> int:
        """Return the number of worker processes."""
        return self.workers or min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            DEFAULT_PROCESSES_MAX,
        )

    def secret_bytes(self) -> bytes | None:
        """Return the secret that signs access tokens; None if the database keeps it."""
        if self.secret is None or not self.secret.startswith(HEXADECIMAL):
            return None if self.secret is None else self.secret.encode()
        return bytes.fromhex(self.secret.removeprefix(HEXADECIMAL))

    def database_options(self) -> DatabaseOptions:
        """Return the options of the database; `database_url` must be set."""
        assert self.database_url is not None, "cli/serving.py sets the URL of an embedded PostgreSQL"
        return DatabaseOptions(
            self.database_url,
            self.pool_connections_max,
            prepared_statements=self.prepared_statements,
            archive=self.archive,
        )

    def engine_options(self) -> EngineOptions:
        """Return the options of the sales engine."""
        return EngineOptions(
            lanes=self.lanes,
            batch_commands_max=self.batch_commands_max,
            queue_commands_max=self.queue_commands_max,
            batch_seconds_max=self.batch_seconds_max,
        )

    def payment_options(self) -> PaymentOptions:
        """Return the options of the payment gateway."""
        return PaymentOptions(
            self.gateway,
            self.stripe_key or "",
            self.stripe_webhook_secret or "",
            self.stripe_api_base,
            demo_page_url=self.public_url.rstrip("/") + DEMO_PAGE_PATH,
        )

    def mail_options(self) -> MailOptions:
        """Return the options of e-mail."""
        return MailOptions(
            server_url=self.smtp_url,
            sender=self.mail_from or DEMO_SENDER,
            base_url=(self.public_url or self.local_url).rstrip("/"),
            mailbox=self.demo,
            connections_max=self.mail_connections_max,
        )

    def site(self) -> Site | None:
        """Return for what passkeys are made; None where browsers make none."""
        return find_site(self.public_url, self.local_url)

    def push_options(self) -> PushOptions:
        """Return the options of web push."""
        return PushOptions(self.push_contact, self.push_key, self.mail_options().base_url)

    def webhook_options(self) -> WebhookOptions:
        """Return the options of webhooks."""
        networks = tuple(ip_network(each, strict=False) for each in _words(self.webhook_networks))
        return WebhookOptions(networks)

    def wallet_options(self) -> WalletOptions:
        """Return the options of the wallets."""
        return WalletOptions(
            self.apple_certificate,
            self.apple_key,
            self.apple_authority,
            self.google_account,
            self.google_issuer,
        )

    def rehearsal_options(self, secret: bytes) -> RehearsalOptions | None:
        """Return the options of rehearsals; None where organizers start none. `secret` signs tokens."""
        if self.rehearsal_buyers_max == 0:
            return None
        return RehearsalOptions(
            url=self.rehearsal_url or self.local_url,
            requests_max=self.rehearsal_requests_max,
            paid=self.gateway == "demo",
            secret=secret,
        )

    def log_options(self) -> LogOptions:
        """Return the options of the logs."""
        return LogOptions(self.log_format, self.log_level)

    def web_options(self, *, pretty_logs: bool) -> WebOptions:
        """Return the options of the web application."""
        rates = {
            name: getattr(self, f"rate_{name}")
            for name in RateOptions.__struct_fields__
            if name != "store_url"
        }
        return WebOptions(
            public_url=self.public_url.rstrip("/"),
            cors_origins=_words(self.cors_origins),
            trusted_proxies=_words(self.trusted_proxies),
            client_header=self.client_header.lower(),
            monitoring_networks=_words(self.monitoring_networks),
            body_bytes_max=self.body_bytes_max,
            heavy_reads_max=self.heavy_reads_max,
            access_log=self.access_log,
            pretty_logs=pretty_logs,
            metrics_directory=self.metrics_directory,
            rehearsal_buyers_max=self.rehearsal_buyers_max,
            rates=RateOptions(**rates, store_url=self.redis_url),
        )


def read_config(environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings of this process; raises ConfigError for an unknown variable or a wrong value."""
    found = os.environ if environment is None else environment
    given = {
        name: value for name, value in found.items() if name.startswith(PREFIX) and name not in _NOT_SETTINGS
    }
    known = {PREFIX + field.upper(): field for field in Config.__struct_fields__}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(f"{name} is not a setting." + (f" Did you mean {near[0]}?" if near else ""))
    settings: dict[str, str] = {}
    for name, value in given.items():
        if value == "" and _is_optional(known[name]):
            continue
        settings[known[name]] = value
    named = {}
    for name, (field, prevailing) in _OF_PLATFORMS.items():
        if found.get(name) and not any(each in settings for each in prevailing):
            settings[field] = found[name]
            named[field] = name
    try:
        config = msgspec.convert(settings, Config, strict=False, dec_hook=lambda kind, text: kind(text))
    except msgspec.ValidationError as exc:
        raise ConfigError(_explain(str(exc), named)) from exc
    _check(config)
    return config


def _check(config: Config) -> None:
    """Raise ConfigError for values and combinations that the types allow and that are wrong."""
    try:
        secret = config.secret_bytes()
    except ValueError as exc:
        raise ConfigError("EVENTLY_SECRET: the text after hex: is not hexadecimal.") from exc
    if secret is not None and len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"EVENTLY_SECRET has fewer than {SECRET_BYTES_MIN} characters, or hex: and fewer than "
            f"{2 * SECRET_BYTES_MIN} digits."
        )
    if config.public_url and not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", config.public_url):
        raise ConfigError(
            f"EVENTLY_PUBLIC_URL: {config.public_url!r} is not a URL like https://tickets.example."
        )
    if config.gateway == "stripe" and not (config.stripe_key and config.stripe_webhook_secret):
        raise ConfigError(
            "EVENTLY_GATEWAY=stripe needs EVENTLY_STRIPE_KEY and EVENTLY_STRIPE_WEBHOOK_SECRET."
        )
    _check_mail(config)
    _check_push(config)
    for wallet, settings in (
        ("APPLE", (config.apple_certificate, config.apple_key, config.apple_authority)),
        ("GOOGLE", (config.google_account, config.google_issuer)),
    ):
        if any(settings) and not all(settings):
            raise ConfigError(f"EVENTLY_{wallet}_...: set all {len(settings)} settings, or none of them.")
    for origin in _words(config.cors_origins):
        if not re.fullmatch(r"\*|https?://[^/?#]+", origin):
            raise ConfigError(f"EVENTLY_CORS_ORIGINS: {origin!r} is not an origin like https://shop.example.")
    if not re.fullmatch(r"[A-Za-z0-9-]+", config.client_header):
        raise ConfigError(
            f"EVENTLY_CLIENT_HEADER: {config.client_header!r} is not a header like X-Forwarded-For."
        )
    for name in ("trusted_proxies", "monitoring_networks", "webhook_networks"):
        for network in _words(getattr(config, name)):
            try:
                ip_network(network, strict=False)
            except ValueError as exc:
                raise ConfigError(
                    f"{PREFIX}{name.upper()}: {network!r} is not a network like 10.0.0.0/8."
                ) from exc


def _check_mail(config: Config) -> None:
    if config.mail_from and not is_sender(config.mail_from):
        raise ConfigError(
            f"EVENTLY_MAIL_FROM: {config.mail_from!r} is not a sender like Evently <tickets@evently.example>."
        )
    if config.smtp_url is None:
        return
    try:
        read_server(config.smtp_url)
    except ValueError as exc:
        raise ConfigError(f"EVENTLY_SMTP_URL {exc}.") from exc
    if not (config.mail_from and config.public_url):
        raise ConfigError(
            "EVENTLY_SMTP_URL needs EVENTLY_MAIL_FROM, the sender, and EVENTLY_PUBLIC_URL, where links lead."
        )


def _check_push(config: Config) -> None:
    if config.push_contact is not None and not is_contact(config.push_contact):
        raise ConfigError(
            f"EVENTLY_PUSH_CONTACT: {config.push_contact!r} is not a contact like "
            "mailto:admin@evently.example."
        )
    if config.push_key is not None and not is_key(config.push_key):
        raise ConfigError("EVENTLY_PUSH_KEY is not a private key: 32 bytes in base64url.")


def ignore_libpq_variables() -> None:
    """Remove the variables with which libpq completes a URL, such as PGSERVICE and PGTARGETSESSIONATTRS.

    The URL of an embedded PostgreSQL is complete: these variables mean another server, and some cannot be
    overridden by a URL. With a URL of the operator's own they stay.
    """
    for name in [name for name in os.environ if re.fullmatch("PG[A-Z]+", name)]:
        del os.environ[name]


def set_worker_environment(variables: Mapping[str, str], metrics_directory: str) -> None:
    """Set the environment that worker processes inherit.

    The metrics library reads its directory from a variable of its own, when it is imported.
    """
    os.environ.update(variables)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_directory


def variables_for_workers(config: Config, metrics_directory: str) -> dict[str, str]:
    """Return the settings as variables, without those that only the parent process needs."""
    settings = msgspec.to_builtins(replace(config, metrics_directory=metrics_directory), enc_hook=str)
    return {
        PREFIX + name.upper(): str(value)
        for name, value in settings.items()
        if value is not None and name not in _ONLY_FOR_THE_PARENT
    }


def environment_for(**settings: str) -> dict[str, str]:
    """Return a copy of this process's environment with these settings changed."""
    return {**os.environ, **{PREFIX + name.upper(): value for name, value in settings.items()}}


def settings_table() -> str:
    """Return the settings as the table of docs/configuration.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
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


def _is_optional(field: str) -> bool:
    """Return whether an empty variable means the default, which is so for fields whose default is None."""
    return Config().__getattribute__(field) is None


def _explain(message: str, named: Mapping[str, str]) -> str:
    """Return a message of msgspec with the name of the variable; `named` are those of platforms."""
    reason, _, path = message.partition(" - at `$.")
    field = path.rstrip("`")
    return f"{named.get(field, PREFIX + field.upper())}: {reason}." if path else message


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
