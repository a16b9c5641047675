"""Bring documents in as an admin does: many at once, one of them damaged, a folder, a ZIP, by keyboard."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Application
from tests.e2e.looks import flaws, in_every_look, looking
from tests.e2e.test_road import picture

pytestmark = [pytest.mark.browser, pytest.mark.models]

SECONDS = 1000
NAMES = ("amber", "birch", "cedar", "dahlia", "elm")
DAMAGED = "shelf-49.docx"


def note(number: int) -> str:
    """A short text with words that no other has."""
    name = NAMES[number % len(NAMES)]
    place = f"On shelf {number} stands the {name} box number {number * 37}."
    return f"# Shelf {number}\n\n{place} It is opened on Fridays.\n"


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """49 notes and a Word file that is none."""
    folder = tmp_path_factory.mktemp("fifty")
    files = [folder / f"shelf-{number:02}.md" for number in range(49)]
    for number, file in enumerate(files):
        file.write_text(note(number))
    damaged = folder / DAMAGED
    damaged.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 8)
    return [*files, damaged]


def new_collection(page: Page, title: str) -> None:
    page.goto("/manage/upload")
    page.get_by_label("Into the collection").select_option("+")
    page.get_by_label("Title").fill(title)


def choose(page: Page, button: str, files: list[Path] | Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files(files)


def searchable(page: Page, n: int, seconds: int = 120) -> None:
    tally = page.locator(".sending .chip.is-searchable b").first
    expect(tally).to_have_text(str(n), timeout=seconds * SECONDS)


def test_fifty_files_one_of_them_damaged(admin: Page, fifty: list[Path], tmp_path: Path) -> None:
    new_collection(admin, "Fifty shelves")
    choose(admin, "Choose files", fifty)
    expect(admin.locator("[data-ready]")).to_contain_text("50 files")
    admin.get_by_role("button", name="Upload 50 files").click()
    expect(admin.locator("[data-sent]")).to_have_text("50 of 50 files sent", timeout=60 * SECONDS)
    searchable(admin, 49)
    row = admin.locator(".files li", has_text=DAMAGED)
    expect(row.locator(".chip")).to_have_text("failed")
    expect(row.locator(".reason")).to_contain_text("damaged")
    admin.evaluate("scrollTo(0, 0)")
    picture(admin, "upload")
    row.get_by_role("button", name="Retry").click()
    expect(row.locator(".chip")).not_to_have_text("failed")
    expect(row.locator(".chip")).to_have_text("failed", timeout=60 * SECONDS)  # it is still damaged
    # Mended, under the same name, it takes the place of the damaged one.
    mended = tmp_path / DAMAGED
    mended.write_bytes(docx("The mended shelf holds the walnut box."))
    choose(admin, "Choose files", mended)
    admin.get_by_role("button", name="Upload 1 file").click()
    searchable(admin, 50)
    admin.get_by_role("link", name="All documents of the collection").click()
    expect(admin.locator(".states .is-searchable b")).to_have_text("50")
    admin.get_by_label("Name contains").fill(DAMAGED)
    admin.get_by_label("Name contains").press("Enter")
    admin.get_by_role("link", name=DAMAGED).click()
    expect(admin.locator("article.text")).to_contain_text("walnut box")


def test_the_fifty_answer_questions_for_those_who_may(
    admin: Page, browser: Browser, application: Application
) -> None:
    question = "/ask?q=Where+does+the+amber+box+number+185+stand%3F&collection=fifty-shelves"
    admin.goto(question)
    expect(admin.locator("article.card").first).to_contain_text("shelf 5", timeout=60 * SECONDS)
    stranger = browser.new_context(base_url=application.url).new_page()
    stranger.goto(question)
    expect(stranger.locator("main")).to_contain_text(
        "There is no collection fifty-shelves", timeout=30 * SECONDS
    )
    stranger.context.close()


def docx(text: str) -> bytes:
    """The least that a Word file is."""
    body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    document = (
        '<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w='
        f'"http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    rels = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in (
            ("[Content_Types].xml", types),
            ("_rels/.rels", rels),
            ("word/document.xml", document),
        ):
            archive.writestr(name, part)
    return out.getvalue()


def test_a_folder_keeps_its_paths_and_hidden_files_stay_out(admin: Page, tmp_path: Path) -> None:
    folder = tmp_path / "attic"
    (folder / "left").mkdir(parents=True)
    (folder / "one.md").write_text(note(101))
    (folder / "left" / "two.md").write_text(note(102))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    new_collection(admin, "Attic")
    choose(admin, "Choose a folder", folder)
    expect(admin.locator("[data-ready]")).to_contain_text("2 files")
    expect(admin.locator("[data-ready]")).to_contain_text("1 hidden file passed over")
    admin.get_by_role("button", name="Upload 2 files").click()
    searchable(admin, 2)
    expect(admin.locator(".files .name", has_text="attic/left/two.md")).to_be_visible()


def test_a_zip_becomes_its_documents(admin: Page, tmp_path: Path) -> None:
    archive = tmp_path / "letters.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for number in range(3):
            written.writestr(f"may/letter-{number}.md", note(200 + number))
        written.writestr("may/empty.md", "")
    new_collection(admin, "Letters")
    choose(admin, "Choose files", archive)
    admin.get_by_role("button", name="Upload 1 file").click()
    searchable(admin, 3)
    expect(admin.locator(".files li")).to_have_count(4)
    empty = admin.locator(".files li", has_text="letters.zip/may/empty.md")
    expect(empty.locator(".reason")).to_contain_text("empty")
    admin.once("dialog", lambda dialog: dialog.accept())
    empty.get_by_role("button", name="Delete").click()
    expect(admin.locator(".files li")).to_have_count(3)


def test_a_file_that_is_too_large_is_not_sent(admin: Page, tmp_path: Path) -> None:
    # The page's script reads the limit when it starts: here it is given a smaller one.
    admin.route(
        "**/manage/upload",
        lambda route: route.fulfill(
            response=(answer := route.fetch()),
            body=answer.text().replace('data-max-bytes="268435456"', 'data-max-bytes="1000"'),
        ),
    )
    new_collection(admin, "Large")
    (tmp_path / "large.txt").write_text("a word " * 1000)
    (tmp_path / "small.md").write_text(note(300))
    choose(admin, "Choose files", [tmp_path / "large.txt", tmp_path / "small.md"])
    sent: list[str] = []
    admin.on("request", lambda r: sent.append(r.url) if r.url.endswith("/upload/file") else None)
    admin.get_by_role("button", name="Upload 2 files").click()
    row = admin.locator(".files li", has_text="large.txt")
    expect(row.locator(".reason")).to_contain_text("It was not sent")
    searchable(admin, 1)
    assert len(sent) == 1


@pytest.fixture
def state(admin: Page) -> dict:  # type: ignore[type-arg]
    """The cookies of who is signed in as admin."""
    return admin.context.storage_state()


@pytest.fixture
def shaky(browser: Browser, application: Application, state: dict) -> Iterator[Page]:  # type: ignore[type-arg]
    """A page of the admin in which requests may fail."""
    context = browser.new_context(base_url=application.url, storage_state=state)
    yield context.new_page()
    context.close()


def test_a_broken_connection_is_tried_again(shaky: Page, tmp_path: Path) -> None:
    new_collection(shaky, "Wires")
    broken: list[int] = []

    def break_twice(route) -> None:  # type: ignore[no-untyped-def]
        broken.append(1)
        route.abort("connectionreset") if len(broken) <= 2 else route.continue_()

    shaky.route("**/manage/upload/file", break_twice)
    (tmp_path / "wire.md").write_text(note(400))
    choose(shaky, "Choose files", tmp_path / "wire.md")
    shaky.get_by_role("button", name="Upload 1 file").click()
    searchable(shaky, 1)
    assert len(broken) == 3


def test_a_server_that_never_answers_is_said_and_the_file_kept_for_later(shaky: Page, tmp_path: Path) -> None:
    new_collection(shaky, "Silence")
    shaky.route("**/manage/upload/file", lambda route: route.abort("connectionrefused"))
    (tmp_path / "late.md").write_text(note(500))
    choose(shaky, "Choose files", tmp_path / "late.md")
    shaky.get_by_role("button", name="Upload 1 file").click()
    row = shaky.locator(".files li", has_text="late.md")
    expect(row.locator(".chip")).to_have_text("not sent", timeout=30 * SECONDS)
    expect(row.locator(".reason")).to_contain_text("tried 4 times")
    shaky.unroute("**/manage/upload/file")
    row.get_by_role("button", name="Retry").click()
    searchable(shaky, 1)


def test_stop_and_go_on(shaky: Page, tmp_path: Path) -> None:
    new_collection(shaky, "Halfway")
    files = [tmp_path / f"half-{number}.md" for number in range(6)]
    for number, file in enumerate(files):
        file.write_text(note(800 + number))
    shaky.route("**/manage/upload/file", lambda route: None)  # nothing arrives, nothing is refused
    choose(shaky, "Choose files", files)
    shaky.get_by_role("button", name="Upload 6 files").click()
    expect(shaky.locator(".files progress")).to_have_count(3)
    shaky.get_by_role("button", name="Stop").click()
    expect(shaky.locator("[data-sent]")).to_have_text("0 of 6 files sent")
    shaky.unroute("**/manage/upload/file")
    shaky.get_by_role("button", name="Go on with 6 files").click()
    searchable(shaky, 6)


def test_a_folder_is_dropped_on_the_page(admin: Page, tmp_path: Path) -> None:
    folder = tmp_path / "cellar"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for number in range(101):  # a browser gives the entries of a folder a hundred at a time
        (folder / "deep" / f"{number}.md").write_text("")
    (folder / "deep" / "deeper" / "low.md").write_text(note(900))
    new_collection(admin, "Dropped")
    box = admin.locator("[data-drop]").bounding_box()
    assert box is not None
    mouse = {"x": box["x"] + 40, "y": box["y"] + 40}
    carried = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    devtools = admin.context.new_cdp_session(admin)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "data": carried} | mouse)
    expect(admin.locator("[data-ready]")).to_contain_text("102 files")
    admin.get_by_role("button", name="Upload 102 files").click()
    searchable(admin, 1)
    expect(admin.locator(".files .name", has_text="cellar/deep/deeper/low.md")).to_be_visible()
    expect(admin.get_by_role("button", name="Retry all 101 failed")).to_be_visible(timeout=60 * SECONDS)


def test_without_javascript(
    browser: Browser,
    application: Application,
    admin: Page,
    state: dict,  # type: ignore[type-arg]
    tmp_path: Path,
) -> None:
    context = browser.new_context(base_url=application.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    for number in (1, 2):
        (tmp_path / f"plain-{number}.md").write_text(note(600 + number))
    page.goto("/manage/upload")
    page.get_by_label("Into the collection").select_option("+")
    page.get_by_label("Title").fill("Plain forms")
    page.get_by_label("Files, or a ZIP").set_input_files([tmp_path / "plain-1.md", tmp_path / "plain-2.md"])
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".notice")).to_have_text("2 documents received into Plain forms.")
    expect(page.locator("tbody tr")).to_have_count(2)
    context.close()
    admin.goto("/manage/documents?collection=plain-forms")  # where scripts run, the list follows the work
    expect(admin.locator("tbody .is-searchable")).to_have_count(2, timeout=60 * SECONDS)
    expect(admin.locator(".states .is-searchable b")).to_have_text("2")
    expect(admin.get_by_role("link", name="plain-1.md")).to_be_visible()


def tab_to(page: Page, words: str) -> None:
    """Press Tab until something with these words, or of this id, has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "(({id, textContent, ariaLabel}) => `${id} ${textContent} ${ariaLabel}`)(document.activeElement)"
        )
        if words in at:
            return
    raise AssertionError(f"Tab does not lead to {words}")


def test_by_keyboard_only(admin: Page, tmp_path: Path) -> None:
    (tmp_path / "keys.md").write_text(note(700))
    (tmp_path / "broken.docx").write_bytes(b"PK\x03\x04 not a document at all")
    admin.on("filechooser", lambda _: None)  # the browser must know long before that choosers are caught
    admin.goto("/manage/")
    tab_to(admin, "Upload")
    admin.keyboard.press("Enter")
    admin.wait_for_url("**/manage/upload")
    tab_to(admin, "collection")
    admin.keyboard.press("End")  # the last choice: a new collection
    tab_to(admin, "id_new-title")
    admin.keyboard.type("By keyboard")
    tab_to(admin, "Choose files")
    with admin.expect_file_chooser() as chooser:
        admin.keyboard.press("Enter")
    chooser.value.set_files([tmp_path / "keys.md", tmp_path / "broken.docx"])
    expect(admin.get_by_role("button", name="Upload 2 files")).to_be_focused()
    admin.keyboard.press("Enter")
    searchable(admin, 1)
    expect(admin.locator(".files .chip.is-failed")).to_be_visible(timeout=60 * SECONDS)
    tab_to(admin, "Delete broken.docx")
    admin.once("dialog", lambda dialog: dialog.accept())
    admin.keyboard.press("Enter")
    expect(admin.locator(".files li")).to_have_count(1)
    admin.goto("/manage/documents?collection=by-keyboard")
    tab_to(admin, "Mark keys.md")
    admin.keyboard.press("Space")
    admin.keyboard.press("Shift+Tab")  # back to the buttons of the list
    expect(admin.get_by_role("button", name="Delete…")).to_be_focused()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("heading", name="Delete 1 document?")).to_be_visible()
    tab_to(admin, "Delete it")
    admin.keyboard.press("Enter")
    expect(admin.locator(".notice")).to_contain_text("1 document is deleted")


# --- Looks --------------------------------------------------------------------------------------------------

PAGES = (
    "/manage/",
    "/manage/upload",
    "/manage/upload?collection=%2B",
    "/manage/documents",
    "/manage/documents?name=nothing-is-called-so",
    "/manage/collections",
    "/manage/collections/new",
    "/manage/collections/harbour/",
    "/manage/collections/harbour/delete",
    "/manage/keys",
    "/account/keys",
)


@in_every_look
def test_nothing_serious(
    look: tuple[str, int],
    browser: Browser,
    application: Application,
    state: dict,  # type: ignore[type-arg]
) -> None:
    found: list[str] = []
    with looking(browser, application.url, state, look) as page:
        for address in PAGES:
            page.goto(address)
            found += flaws(page)
    assert found == []
