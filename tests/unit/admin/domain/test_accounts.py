import pytest
from pydantic import SecretStr

from admin.domain import accounts
from shared.config import Settings
from shared.errors import Busy, ConfigurationError, UsageError
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD


def test_a_password_opens_its_own_account_alone(services: Services) -> None:
    accounts.set_password(services.database, "bo", "another password, also long")
    assert accounts.verify(services.database, "ana", PASSWORD) == accounts.find(services.database, "ana")
    assert accounts.verify(services.database, "bo", PASSWORD) is None
    assert accounts.verify(services.database, "ana", "") is None
    assert accounts.verify(services.database, "nobody", PASSWORD) is None


def test_the_real_hasher_is_as_strong_as_the_standard_asks_for() -> None:
    # RFC 9106, the second recommended option; the other tests use a cheaper one.
    made = accounts.PasswordHasher()
    assert (made.time_cost, made.memory_cost, made.parallelism) == (3, 64 * 1024, 4)


def test_what_is_stored_is_an_argon2id_hash(services: Services) -> None:
    ana = accounts.find(services.database, "ana")
    assert ana is not None
    assert ana.password_hash.startswith("$argon2id$")
    assert "argon2id" not in repr(ana)


def test_an_unknown_name_costs_a_verification_too(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    verified = []

    real = accounts._hasher

    class Counting:
        hash = real.hash

        def verify(self, hashed: str, password: bytes) -> bool:
            verified.append(hashed)
            return real.verify(hashed, password)

    monkeypatch.setattr(accounts, "_hasher", Counting())
    accounts.verify(services.database, "nobody", "a password of many words")
    accounts.verify(services.database, "ana", "not the password of ana")
    parameters = [hashed.split("$")[3] for hashed in verified]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1]


def test_no_more_hashes_than_there_is_memory_for_and_nobody_waits(services: Services) -> None:
    assert accounts._HASHES_AT_ONCE.acquire(blocking=False)
    assert accounts._HASHES_AT_ONCE.acquire(blocking=False)
    try:
        with pytest.raises(Busy):
            accounts.verify(services.database, "ana", PASSWORD)
    finally:
        accounts._HASHES_AT_ONCE.release(2)
    assert accounts.verify(services.database, "ana", PASSWORD)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ana", "elevenchars"),
        ("ana", "x" * 257),
        ("a name as password", "A name as password"),
        ("ana", "changemechangeme"),
        ("ana", "Password-2026!"),
        ("ana", "administrator123"),
        ("ana", "xyxyxyxyxyxyxyxy"),
        ("ana", "qwertyuiop12"),
        ("ana", "letmein12345"),
        ("ana", "123456789abc"),
        ("ana", "Summer2026!!"),
        ("ana", "P@ssw0rd1234"),
        ("ana", "1qaz2wsx3edc"),
        ("ana", "iloveyou" * 32),
        ("anastasia", "anastasia2026"),
        ("", "a password of many words"),
        (" ana", "a password of many words"),
        ("a\nb", "a password of many words"),
        ("x" * 65, "a password of many words"),
    ],
)
def test_rules_for_names_and_passwords(services: Services, name: str, password: str) -> None:
    with pytest.raises(UsageError) as error:
        accounts.set_password(services.database, name, password)
    assert "\n" not in str(error.value)


def test_the_way_a_keyboard_composes_letters_does_not_matter(services: Services) -> None:
    accounts.set_password(services.database, "bo", "cafe\u0301 au lait, s'il vous plait")
    assert accounts.verify(services.database, "bo", "caf\u00e9 au lait, s'il vous plait")


def test_the_first_account_is_made_once(settings: Settings, services: Services) -> None:
    with services.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM users")
    with pytest.raises(ConfigurationError, match="ADMIN_PASSWORD"):
        accounts.ensure_first_account(settings, services.database)
    with_short = settings.model_copy(update={"admin_password": SecretStr("short")})
    with pytest.raises(ConfigurationError, match="12 to 256"):
        accounts.ensure_first_account(with_short, services.database)
    with_password = settings.model_copy(update={"admin_password": SecretStr("the first password")})
    accounts.ensure_first_account(with_password, services.database)
    assert accounts.verify(services.database, settings.admin_username, "the first password")
    another = settings.model_copy(update={"admin_password": SecretStr("not the first password")})
    accounts.ensure_first_account(another, services.database)
    assert accounts.verify(services.database, settings.admin_username, "the first password")


def test_roles_are_given_and_taken(services: Services) -> None:
    database = services.database
    accounts.add(database, "vic", "words that vic knows", accounts.Role.VIEWER)
    assert {found.name: found.role.value for found in accounts.accounts(database)} == {
        "ana": "operator", "vic": "viewer",
    }  # fmt: skip
    with pytest.raises(UsageError, match="already"):
        accounts.add(database, "vic", "words that vic knows", accounts.Role.OPERATOR)
    accounts.set_password(database, "vic", "other words of vic's")
    assert accounts.find(database, "vic").role is accounts.Role.VIEWER
    for change in (accounts.remove, lambda *names: accounts.set_role(*names, accounts.Role.VIEWER)):
        with pytest.raises(UsageError, match="only operator"):
            change(database, "ana")
        with pytest.raises(UsageError, match="no account"):
            change(database, "nobody")
    accounts.set_role(database, "vic", accounts.Role.OPERATOR)
    accounts.remove(database, "ana")
    assert [found.name for found in accounts.accounts(database)] == ["vic"]
