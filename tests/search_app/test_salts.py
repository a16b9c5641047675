from search_app.access import OPERATOR, Viewer
from search_app.salts import salt_of


def test_one_asker_shares_with_nobody_but_himself() -> None:
    anna, ben = Viewer(user_id=1), Viewer(user_id=2)
    assert salt_of(anna, ["a", "b"]) == salt_of(Viewer(user_id=1, is_staff=True), ["b", "a"])
    browser = Viewer(asker="x")
    others = [(ben, ["a", "b"]), (anna, ["a"]), (anna, ["a\0b"]), (browser, ["a", "b"])]
    assert len({salt_of(anna, ["a", "b"]), *(salt_of(who, names) for who, names in others)}) == 5
    assert salt_of(browser, ["a"]) == salt_of(Viewer(asker="x"), ["a"])


def test_nobody_shares_with_nobody() -> None:
    assert salt_of(Viewer(), ["a"]) != salt_of(Viewer(), ["a"])
    assert salt_of(OPERATOR, ["a"]) != salt_of(OPERATOR, ["a"])


def test_a_salt_says_nothing() -> None:
    salt = salt_of(Viewer(asker="browser-name"), ["secret"])
    assert len(salt) == 64 and "secret" not in salt and "browser" not in salt
