"""Loading the configuration as a whole: defaults, faults by name, all at once, and nothing secret in any of them."""

from contextlib import suppress
from datetime import UTC
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lading.service.config import Fault, Settings, SettingsError, load_settings
from lading.service.config.sections.retention import RetentionSettings
from lading.service.config.sections.service import SECTIONS

SECRET = "correct horse battery staple, and then some"
ISSUER = f"[issuer.key-1]\norganization_id = acme\nsecret = {SECRET}\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "service.conf"


def load(conf: Path, text: str, **environ: str) -> Settings:
    conf.write_text(text, encoding="utf-8")
    return load_settings(conf, environ)


def faults_of(conf: Path, text: str, **environ: str) -> tuple[Fault, ...]:
    with pytest.raises(SettingsError) as caught:
        load(conf, text, **environ)
    return caught.value.faults


def the_fault(conf: Path, text: str, **environ: str) -> Fault:
    (fault,) = faults_of(conf, text, **environ)
    return fault


# --- values -----------------------------------------------------------------------------------------------------------


def test_without_a_file_the_built_in_defaults_hold() -> None:
    assert load_settings(None, {}) == load_settings(None, {"UNRELATED": "x"})
    settings = load_settings(None, {})
    assert settings.service == Settings().service
    assert settings.service.timezone is UTC
    assert settings.plugin_names("storage") == ("local",)
    assert settings.plugin_names("fetch") == ("http", "data")
    assert settings.plugin_names("detect") == ("pillow",)
    assert dict(settings.plugin_options("storage", "local")) == {}


def test_issuers_may_have_limits_of_their_own(conf: Path) -> None:
    text = "[limits]\nissuer_requests = 5\nissuer_exceptions = key-1 = 60, a=b=0\n"
    assert dict(load(conf, text).limits.issuer_exceptions) == {"key-1": 60, "a=b": 0}
    assert dict(load(conf, "[limits]\nissuer_exceptions =\n").limits.issuer_exceptions) == {}


@pytest.mark.parametrize("value", ["key-1", "=5", "a=1, a=2", "a=-1", "a=x", "a=1000001", "a=1.5"])
def test_limits_that_make_no_sense_are_refused(conf: Path, value: str) -> None:
    fault = the_fault(conf, f"[limits]\nissuer_exceptions = {value}\n")
    assert (fault.section, fault.key) == ("limits", "issuer_exceptions")


def test_an_empty_file_changes_nothing(conf: Path) -> None:
    assert load(conf, "") == load_settings(None, {})


def test_values_are_typed(conf: Path) -> None:
    settings = load(
        conf,
        """
        [service]
        port = 0
        timezone = Europe/Vienna
        trusted_proxies = 10.0.0.0/8,
            ::1/128
        [worker]
        ENABLED = no
        retry_base = 0.5
        spool_directory = /var/tmp
        [documents.sqlite]
        path = data/lading.db
        """.replace("\n        ", "\n"),
    )
    assert settings.service.port == 0
    assert settings.service.timezone == ZoneInfo("Europe/Vienna")
    assert settings.service.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.worker.enabled is False
    assert settings.worker.retry_base == 0.5
    assert settings.worker.spool_directory == Path("/var/tmp")
    assert settings.documents_sqlite.path == Path("data/lading.db"), "relative to the working directory"


def test_percent_signs_braces_and_hashes_are_data(conf: Path) -> None:
    settings = load(conf, "[storage.local]\npath = /srv/%(here)s/${x}/%41 # ; $env:X")
    assert settings.plugin_options("storage", "local") == {"path": "/srv/%(here)s/${x}/%41 # ; $env:X"}


def test_options_of_a_default_section_are_not_inherited(conf: Path) -> None:
    fault = the_fault(conf, "[DEFAULT]\nport = 1\n")
    assert (fault.section, fault.problem) == ("DEFAULT", "is not a known section")


def test_a_byte_order_mark_is_skipped(conf: Path) -> None:
    assert load(conf, "\ufeff[service]\nport = 1\n").service.port == 1


def test_secrets_are_in_no_repr(conf: Path) -> None:
    settings = load(conf, f"{ISSUER}[storage]\nbackend = s3\n[storage.s3]\nkey = {SECRET}\n")
    assert settings.plugin_options("storage", "s3")["key"] == SECRET
    assert SECRET not in repr(settings)


def test_a_plugin_that_is_installed_and_not_configured_may_keep_its_section(conf: Path) -> None:
    load(conf, "[fetch]\nplugins = data\n[fetch.http]\nports = 80\n[storage.s3]\nkey = $env:NOT_SET\n")


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "section", "key", "problem"),
    [
        ("[service]\nprot = 1", "service", "prot", "is not a known option; did you mean 'port'?"),
        ("[servcie]\nport = 1", "servcie", "", "is not a known section; did you mean 'service'?"),
        ("[Service]\nport = 1", "Service", "", "is not a known section; did you mean 'service'?"),
        ("[documents.sqllite]", "documents.sqllite", "", "did you mean 'documents.sqlite'?"),
        ("[isuer.abc]", "isuer.abc", "", "did you mean 'issuer.abc'?"),
        ("[storages.local]", "storages.local", "", "did you mean 'storage.local'?"),
        ("[storage.]", "storage.", "", "is not a known section; did you mean 'storage'?"),
        ("[fetch.htpp]\ndeny_networks = 1.1.1.1", "fetch.htpp", "", "is read by nothing"),
        ("[fetch.htpp]", "fetch.htpp", "", "did you mean 'fetch.http'?"),
        ("[fetch.HTTP]", "fetch.HTTP", "", "did you mean 'fetch.http'?"),
        ("[detect.pilow]", "detect.pilow", "", "did you mean 'detect.pillow'?"),
        ("[storage]\nothers = archive\n[storage.archives]", "storage.archives", "", "did you mean 'storage.archive'?"),
        ("[storage.archive]\nplugin = s3", "storage.archive", "", "is read by nothing"),
        (
            "[service]\nport = 18210  # ours",
            "service",
            "port",
            "the value is '18210  # ours', since a comment needs a line of its own",
        ),
        ("[worker]\nenabled = yes ; always", "worker", "enabled", "the value is 'yes ; always'"),
        ("[auth]\ntoken_max_bytes = $env:NOTHING  # ours", "auth", "token_max_bytes", "a comment needs a line"),
        ("[service]\naddress = unix:/run/lading.sock", "service", "address", "a Unix socket is not supported"),
        ("[service]\naddress = /run/lading.sock", "service", "address", "a Unix socket is not supported"),
        ("[service]\nport = http", "service", "port", "valid integer"),
        ("[service]\nport = 65536", "service", "port", "less than or equal to 65535"),
        ("[service]\nport =", "service", "port", "valid integer"),
        ("[service]\naddress =", "service", "address", "should match pattern"),
        ("[service]\ntimezone = Mars/Phobos", "service", "timezone", "is not a time zone"),
        ("[service]\ntimezone = ../../etc/passwd", "service", "timezone", "is not a time zone"),
        ("[service]\ntimezone =", "service", "timezone", "is not a time zone"),
        ("[service]\ntrusted_proxies = ::1, 10.0.0.1/8", "service", "trusted_proxies", "item 2: value is not a valid"),
        ("[service]\nidle_timeout = inf", "service", "idle_timeout", "finite"),
        ("[service]\nidle_timeout = nan", "service", "idle_timeout", "finite"),
        ("[service]\nbody_max_bytes = 0", "service", "body_max_bytes", "greater than or equal to 1024"),
        ("[service]\nlog_level = loud", "service", "log_level", "'debug', 'info', 'warning' or 'error'"),
        ("[documents]\nbackend = mysql", "documents", "backend", "'sqlite', 'mongo' or 'memory'"),
        (
            "[documents]\nencryption_keys = hush-hush",
            "documents",
            "encryption_keys",
            "item 1: is not a key of 32 bytes",
        ),
        ("[documents.sqlite]\npath =", "documents.sqlite", "path", "is not a path"),
        ("[worker]\nretry_base = 700", "worker", "retry_max", "is less than retry_base; make it at least as long"),
        ("[worker]\nenabled = perhaps", "worker", "enabled", "valid boolean"),
        ("[fetch]\nplugins =", "fetch", "plugins", "at least 1"),
        ("[fetch]\nplugins = http, http", "fetch", "plugins", "names a plugin twice; name each plugin once"),
        ("[detect]\nplugins = pillow, a/b", "detect", "plugins", "item 2: "),
        ("[storage]\nbackend = Local", "storage", "backend", "should match pattern"),
        ("[storage]\ndeadline = 0", "storage", "deadline", "greater than or equal to 1"),
        ("[storage]\nothers = route", "storage", "others", "names a storage route, but [storage.route] has the rules"),
        ("[storage]\nkeys = {id}, {album}/x", "storage", "keys", "'{album}/x' must have {id} once"),
        ("[storage]\nkeys =", "storage", "keys", "at least 1"),
        ("[storage.route]\nrules = album:a=s3, tenant:b=s3", "storage.route", "rules", "'tenant:b' in the rule"),
        ("[storage.route]\nrule = album:a=s3", "storage.route", "rule", "did you mean 'rules'?"),
    ],
)
def test_a_fault_is_named(conf: Path, text: str, section: str, key: str, problem: str) -> None:
    fault = the_fault(conf, text)
    assert (fault.section, fault.key) == (section, key)
    assert problem in fault.problem
    assert str(fault).endswith(f"[{section}]{' ' * bool(key)}{key}: {fault.problem}")


def test_every_option_refuses_nonsense_by_its_own_name(conf: Path) -> None:
    """Of every option that is not free text; so that none is read by a model that takes anything."""
    free = {"address", "path", "file", "directory", "spool_directory", "backend", "plugins", "ca_file"}
    free.add("credentials_file")
    wanted = {(name, key) for name, model in SECTIONS.items() for key in model.model_fields if key not in free}
    lines = (f"[{name}]\n" + "".join(f"{key} = ?\n" for section, key in wanted if section == name) for name in SECTIONS)
    assert {(fault.section, fault.key) for fault in faults_of(conf, "".join(lines))} == wanted


def test_faults_of_every_stage_are_reported_at_once(conf: Path) -> None:
    text = f"""\
stray
[service]
port = x
port = 2
nonsense
timezone = $env:NO_SUCH_VARIABLE
[worker]
retry_base = 700
[nowhere]
[issuer.key-1]
secret = {SECRET[:8]}
[storage.local]
path = $file:no-such-file
"""
    faults = faults_of(conf, text, LADING_AUTH__LEEWAY="-1", LADING_AUTH__LEWAY="1", LADING_STORAGE_LOCL__PATH="/")
    assert {(fault.section, fault.key) for fault in faults if fault.section} == {
        ("service", "port"),
        ("service", "timezone"),
        ("worker", "retry_max"),
        ("nowhere", ""),
        ("issuer.key-1", "organization_id"),
        ("issuer.key-1", "secret"),
        ("storage.local", "path"),
        ("auth", "leeway"),
    }
    assert {fault.where for fault in faults if not fault.section} == {
        f"{conf}:1",
        f"{conf}:5",
        "LADING_AUTH__LEWAY",
        "LADING_STORAGE_LOCL__PATH",
    }
    assert len([fault for fault in faults if fault.key == "port"]) == 2, "twice there, and not a number"


def test_the_error_has_one_line_for_each_fault(conf: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(conf, "[service]\nport = x\n[nowhere]\n")
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]


def test_no_fault_repeats_a_value(conf: Path) -> None:
    every_option = "".join(
        f"[{name}]\n" + "".join(f"{key} = {SECRET}\n" for key in model.model_fields) for name, model in SECTIONS.items()
    )
    text = f"{every_option}[issuer.a]\nsecret = {SECRET}\nalgorithm = {SECRET}\nenabled = {SECRET}\n{SECRET}\n"
    with pytest.raises(SettingsError) as caught:
        load(conf, text, LADING_AUTH__LEEWAY=SECRET, LADING_X__Y=SECRET)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_section_of_a_plugin_that_is_not_configured_is_not_judged(conf: Path) -> None:
    settings = load(conf, "[storage.s3]\nkey = $env:NO_SUCH_VARIABLE\n")
    assert settings.plugin_options("storage", "s3") == {}


def test_a_fault_in_the_list_of_plugins_casts_none_on_their_options(conf: Path) -> None:
    faults = faults_of(conf, "[fetch]\nplugins = ftp, ftp\n", LADING_FETCH_FTP__USER="x", LADING_FETCH__PLUGIN="x")
    assert [(fault.where, fault.section, fault.key) for fault in faults] == [
        (str(conf), "fetch", "plugins"),
        ("LADING_FETCH__PLUGIN", "", ""),
    ]


# --- the file itself --------------------------------------------------------------------------------------------------


def test_a_file_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no\.conf: cannot be read: No such file"):
        load_settings(tmp_path / "no.conf", {})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})


def test_a_path_that_cannot_be_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="cannot be read: not a valid path"):
        load_settings(Path("a\0b"), {})


def test_other_encodings_are_a_fault_with_its_line(conf: Path) -> None:
    conf.write_bytes(b"[service]\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"service\.conf:2: is not UTF-8"):
        load_settings(conf, {})


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(SettingsError, match="is larger than 1048576 bytes"):
        load_settings(Path("/dev/zero"), {})


# --- anything at all --------------------------------------------------------------------------------------------------

_names = st.sampled_from([*SECTIONS, "issuer.a", "issuer.", "fetch.http", "storage.x", "DEFAULT", "?"])
_keys = st.sampled_from([*(key for model in SECTIONS.values() for key in model.model_fields), "secret", "", "\0", "é"])
_values = st.one_of(
    st.text(), st.sampled_from(["$env:X", "$env:", "$file:", "$file:\0", "$file:/", "1", "-1", "1e999", ", ,", "UTC"])
)
_lines = st.one_of(st.text(), st.builds("[{}]".format, _names), st.builds("{}={}".format, _keys, _values))
_texts = st.one_of(st.text(), st.lists(_lines).map("\n".join))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=_texts, environ=st.dictionaries(st.builds("LADING_{}__{}".format, _names, _keys), _values, max_size=3))
@example(text="[service]\naddress = \udce9", environ={})
@example(text="", environ={"LADING_DOCUMENTS_SQLITE__PATH": "\udce9"})
def test_any_text_gives_settings_or_faults(conf: Path, text: str, environ: dict[str, str]) -> None:
    conf.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(SettingsError):
        assert isinstance(load_settings(conf, environ), Settings)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary())
def test_any_bytes_give_settings_or_faults(conf: Path, content: bytes) -> None:
    conf.write_bytes(content)
    with suppress(SettingsError):
        assert isinstance(load_settings(conf, {}), Settings)


@pytest.mark.parametrize(("text", "message"), [("a=30", "at least 3600"), ("a", "list such as"), ("a=0,a=0", "once")])
def test_a_number_of_days_is_refused_rather_than_obeyed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetentionSettings(album_exceptions=text)
    with pytest.raises(ValueError, match="3600"):
        RetentionSettings(done=30)
