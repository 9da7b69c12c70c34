from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from lading.plugins.fetchers.http.options import HttpOptions, PortRange


def test_defaults() -> None:
    options = HttpOptions()
    assert options.allow_networks == ()
    assert options.deny_networks == ()
    assert [port for port in (79, 80, 81, 443, 7999, 8000, 8999, 9000) if options.port_verdict(port).allowed] == [
        80,
        443,
        8000,
        8999,
    ]
    assert options.max_bytes == 32 * 1024 * 1024
    assert (options.max_redirects, options.url_max_bytes, options.head_max_bytes) == (5, 8192, 32768)
    assert (options.dns_timeout, options.connect_timeout, options.head_timeout) == (3, 5, 10)
    assert (options.read_timeout, options.total_timeout) == (15, 60)
    assert (options.min_rate, options.min_rate_window) == (1024, 30)


def test_every_option_has_a_description() -> None:
    assert all(field.description for field in HttpOptions.model_fields.values())


def test_values_are_read_as_an_ini_file_writes_them() -> None:
    options = HttpOptions.model_validate(
        {
            "allow_networks": "10.0.0.0/8, fd00::/8",
            "ports": "80, 8000 - 8999,",
            "max_bytes": "1024",
            "dns_timeout": "0.5",
        }
    )
    assert options.allow_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert options.ports == (PortRange(80, 80), PortRange(8000, 8999))
    assert [str(ports) for ports in options.ports] == ["80", "8000-8999"]
    assert options.max_bytes == 1024
    assert options.dns_timeout == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_networks", "10.0.0.1/8"),
        ("allow_networks", "localhost"),
        ("deny_networks", "300.0.0.0/8"),
        ("ports", ""),
        ("ports", "0"),
        ("ports", "65536"),
        ("ports", "90-80"),
        ("ports", "80-"),
        ("ports", "-80"),
        ("ports", "http"),
        ("ports", "８０"),
        ("max_bytes", "0"),
        ("max_bytes", "unlimited"),
        ("max_bytes", str(1024**4)),
        ("max_redirects", "-1"),
        ("max_redirects", "1000"),
        ("url_max_bytes", "0"),
        ("dns_timeout", "0"),
        ("dns_timeout", "inf"),
        ("dns_timeout", "nan"),
        ("connect_timeout", "-1"),
        ("head_timeout", "inf"),
        ("head_max_bytes", "1"),
        ("read_timeout", "inf"),
        ("total_timeout", "inf"),
        ("total_timeout", "0"),
        ("min_rate", "0"),
        ("min_rate_window", "inf"),
        ("user_agent", ""),
        ("user_agent", "a\r\nX: y"),
        ("connections", "0"),
        ("keep_alive", "inf"),
        ("max_byte", "1"),
    ],
)
def test_unusable_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpOptions.model_validate({name: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {name}
