"""A secret that is written where a reference belongs, or beside one, appears in nothing that is said about it."""

import traceback

import pytest

from drorch.config import settled
from drorch.errors import ConfigError
from tests.config.configs import SOUND, configuration

CANARY = "canary-7c1f3e9a"
REFERENCE = '{ env = "SHELF_PASSWORD" }'


@pytest.mark.parametrize(
    "written",
    [
        f'"{CANARY}"',
        f"'''{CANARY}'''",
        f'"{CANARY}',
        CANARY,
        f'["{CANARY}"]',
        f'{{ value = "{CANARY}" }}',
        f'{{ file = "{CANARY}", env = 5 }}',
        f'{{ command = "{CANARY}" }}',
        f'{{ "file" = ["{CANARY}"] }}',
        f'{{ env = "X", pasword = "{CANARY}" }}',
        f'{REFERENCE}\npassword = "{CANARY}"',
        f'{REFERENCE}\npasword = "{CANARY}"',
        f'{REFERENCE}\n[catalog]\nurl = "postgresql://u:{CANARY}@h/d"',
        f'{REFERENCE}\n[catalog]\nurl = "postgresql://u@h/d?password={CANARY}"',
        f'{REFERENCE}\n[catalog]\nurl = "mysql://u:{CANARY}@h/d"',
        f'{REFERENCE}\n[catalog]\nurl = "postgresql://u:{CANARY}@[h/d"',
    ],
)
def test_no_fault_quotes_a_secret(written: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configuration(SOUND.replace(REFERENCE, written))
    error = raised.value
    told = [str(error), repr(error), repr(error.problems), str(error.hint), repr(error.context)]
    assert error.problems
    assert CANARY not in "".join(told)
    assert CANARY not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "written",
    [
        f'access_key = "{CANARY}"\nsecret_key = {{ env = "X" }}',
        f'access_key = {{ env = "X" }}\nsecret_key = "{CANARY}"',
        f'secret_key = "{CANARY}"',
        f'secret_kee = "{CANARY}"',
        f'session_token = ["{CANARY}"]',
        f'passphrase = "{CANARY}"',
        f'endpoint = "https://key:{CANARY}@s3.example.org"',
        f'endpoint = "https://s3.example.org/?token={CANARY}"',
        f'endpoint = "{CANARY}:{CANARY}@s3.example.org"',
    ],
)
def test_no_fault_of_a_target_quotes_a_secret(written: str) -> None:
    bucket = '[targets.offsite]\ntype = "s3"\nbucket = "backups"\npassword = { env = "X" }\n'
    with pytest.raises(ConfigError) as raised:
        configuration(f"{bucket}{written}\n")
    error = raised.value
    assert error.problems
    assert CANARY not in repr(error.problems) + "".join(traceback.format_exception(error))


def test_what_is_shown_of_a_configuration_is_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELF_PASSWORD", CANARY)
    found = configuration(SOUND)
    assert found.target("shelf").password.read() == CANARY
    shown = [repr(found), str(found), settled.as_toml(found), repr(settled.shown(found)), repr(found.targets)]
    assert CANARY not in "".join(shown)
    assert all("SHELF_PASSWORD" in one for one in shown)
