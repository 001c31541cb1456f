"""What may be written for a place, restic's forms among it, and what becomes of what makes no sense."""

from pathlib import Path

import pytest

from drorch.app.locations import LocalPlace, Location, Settings, located, user_cache
from drorch.errors import UsageError
from drorch.storage.s3.settings import S3Settings
from drorch.storage.sftp.settings import SftpSettings

AWS, OWN = None, "https://s3.example.org"


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("/srv/backup", LocalPlace(Path("/srv/backup"))),
        ("backup", LocalPlace(Path("backup"))),
        ("local:/srv/backup", LocalPlace(Path("/srv/backup"))),
        ("/srv/c:d", LocalPlace(Path("/srv/c:d"))),
        ("unknown:/x", LocalPlace(Path("unknown:/x"))),
        ("s3:https://s3.example.org/backups", S3Settings("backups", "", OWN)),
        ("s3:https://s3.example.org/backups/", S3Settings("backups", "", OWN)),
        ("s3:https://s3.example.org/backups/hosts/web1", S3Settings("backups", "hosts/web1", OWN)),
        ("s3:https://s3.example.org/backups/hosts//web1/./", S3Settings("backups", "hosts/web1", OWN)),
        ("s3:https://s3.example.org/backups/w%C3%A4b", S3Settings("backups", "wäb", OWN)),
        ("s3:http://127.0.0.1:9000/backups/web1", S3Settings("backups", "web1", "http://127.0.0.1:9000")),
        ("s3:http://[::1]:9000/backups", S3Settings("backups", "", "http://[::1]:9000")),
        ("s3:s3.example.org:9000/backups/web1", S3Settings("backups", "web1", "https://s3.example.org:9000")),
        ("s3://s3.example.org/backups/web1", S3Settings("backups", "web1", OWN)),
        ("s3:s3.amazonaws.com/backups/web1", S3Settings("backups", "web1", AWS)),
        ("s3:https://s3.amazonaws.com/backups", S3Settings("backups", "", AWS)),
        ("s3:s3.us-west-2.amazonaws.com/backups", S3Settings("backups", "", AWS, "us-west-2")),
        ("s3:s3-eu-central-1.amazonaws.com/backups", S3Settings("backups", "", AWS, "eu-central-1")),
        ("s3:s3.dualstack.eu-west-1.amazonaws.com/backups/x", S3Settings("backups", "x", AWS, "eu-west-1")),
        ("s3:us-gov-west-1/backups/x", S3Settings("backups", "x", AWS, "us-gov-west-1")),
        ("sftp:host:/srv/repo", SftpSettings("host", "/srv/repo")),
        ("sftp:user@host:/srv/repo", SftpSettings("host", "/srv/repo", "user")),
        ("sftp:user@host:repo", SftpSettings("host", "repo", "user")),
        ("sftp:user@host:a/../repo/", SftpSettings("host", "repo", "user")),
        ("sftp:user@domain@host:/srv/repo", SftpSettings("host", "/srv/repo", "user@domain")),
        ("sftp:user@host:/srv/a:b", SftpSettings("host", "/srv/a:b", "user")),
        ("sftp:user@[2001:db8::1]:/srv/repo", SftpSettings("2001:db8::1", "/srv/repo", "user")),
        ("sftp://user@host:2222/srv/repo", SftpSettings("host", "srv/repo", "user", 2222)),
        ("sftp://user@host:2222//srv/repo", SftpSettings("host", "/srv/repo", "user", 2222)),
        ("sftp://host//srv/repo", SftpSettings("host", "/srv/repo")),
        ("sftp://[2001:db8::1]:22//srv/repo", SftpSettings("2001:db8::1", "/srv/repo", None, 22)),
        ("sftp://us%40er@host//srv/a%20b", SftpSettings("host", "/srv/a b", "us@er")),
    ],
)
def test_urls_are_read_as_restic_reads_them(url: str, settings: Settings) -> None:
    assert located(url).settings == settings


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "path is empty"),
        ("local:", "path is empty"),
        ("a\0b", "NUL"),
        ("s3:", "names no host"),
        ("s3:https://", "names no host"),
        ("s3:https:///backups", "names no host"),
        ("s3:a b/backups", "names no host"),
        ("s3:s3.example.org", "names no bucket at s3.example.org"),
        ("s3:https://s3.example.org/", "names no bucket at s3.example.org"),
        ("s3:https://s3.example.org:port/backups", "cannot be read"),
        ("s3:https://[::1/backups", "cannot be read"),
        ("s3:https://s3.example.org/backups/../../x", "leads nowhere"),
        ("s3:https://s3.example.org/backups/a%00b", "leads nowhere"),
        ("s3:https://s3.example.org/backups?x=geheim", "goes on after its path"),
        ("s3:https://key:geheim@s3.example.org/backups", "a password stands in"),
        ("s3:key@s3.example.org/backups", "names no host"),
        ("sftp:", "names no path"),
        ("sftp:host", "names no path"),
        ("sftp:host:", "names no path on host"),
        ("sftp::/srv", "names no host"),
        ("sftp:-oProxyCommand=geheim:/srv", "names no host"),
        ("sftp:-lroot@host:/srv", "names no host"),
        ("sftp:host:~/repo", "begins with ~"),
        ("sftp:host:/a\0b", "names no path on host"),
        ("sftp://host", "names no path on host"),
        ("sftp://host/", "names no path on host"),
        ("sftp:///srv", "names no host"),
        ("sftp://host:99999//srv", "cannot be read"),
        ("sftp://user:geheim@host//srv", "a password stands in"),
        ("rest:http://h/", "rest repositories are not supported"),
        ("rclone:x:y", "rclone repositories are not supported"),
    ],
)
def test_what_is_no_place_is_told_in_one_line_with_a_hint_and_without_secrets(url: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        located(url)
    fault = raised.value
    assert told in fault.message
    assert fault.hint
    assert "\n" not in fault.message + fault.hint
    assert "geheim" not in fault.message + fault.hint
    assert fault.__cause__ is None
    assert fault.__suppress_context__ or fault.__context__ is None


def test_only_what_is_elsewhere_is_cached_and_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert located("/srv/backup").cache is None
    away = located("s3:s3.example.org/backups", {"XDG_CACHE_HOME": "/var/cache/anna"})
    assert (away.cache, away.is_remote) == (Path("/var/cache/anna/drorch"), True)
    assert away.uncached().cache is None
    assert away.uncached().same_place(away)
    monkeypatch.setenv("HOME", "/home/anna")
    assert user_cache({"XDG_CACHE_HOME": "relative"}) == user_cache({}) == Path("/home/anna/.cache/drorch")
    assert located("sftp:host:/srv", {}).cache == Path("/home/anna/.cache/drorch")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/srv/backup", "local:/srv/backup/", True),
        ("/srv/backup", "/srv/backup2", False),
        ("s3:s3.example.org/backups/web1", "s3:https://s3.example.org/backups/web1/", True),
        ("s3:s3.example.org/backups/web1", "s3:s3.example.org/backups/web2", False),
        ("s3:s3.example.org/backups/web1", "s3:http://s3.example.org/backups/web1", False),
        ("sftp:me@host:/srv/repo", "sftp://me@host:22//srv/repo/", True),
        ("sftp:me@host:/srv/repo", "sftp:you@host:/srv/repo", False),
        ("sftp:host:/srv/repo", "sftp://host:2222//srv/repo", False),
        ("sftp:host:/srv/repo", "/srv/repo", False),
    ],
)
def test_two_ways_to_write_a_place_are_one_place(one: str, other: str, same: bool) -> None:
    assert located(one).same_place(located(other)) is same


def test_what_is_known_beside_the_place_makes_no_other_of_it() -> None:
    settings = S3Settings("backups", "web1", OWN)
    configured = Location(S3Settings("backups", "web1", OWN, region="x", connections=9), name="offsite")
    assert Location(settings).same_place(configured)
