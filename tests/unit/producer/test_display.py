import io

from rich.console import Console

from producer.display import Display
from shared.commandline import plural, printable


def displayed(*, terminal: bool) -> str:
    display = Display()
    file = io.StringIO()
    display.console = Console(file=file, force_terminal=terminal, width=120)
    display.line("[red]start[/red]")
    with display.progress("uploading", 10) as bar:
        bar(4, "1 MB")
        bar(20, "2 MB [b]", total=20)
    display.line("end")
    return file.getvalue()


def test_a_terminal_sees_a_bar_with_the_rate() -> None:
    shown = displayed(terminal=True)
    assert "uploading" in shown
    assert "20/20" in shown
    assert "/s" in shown
    assert "2 MB [b]" in shown


def test_elsewhere_there_are_only_the_lines() -> None:
    assert displayed(terminal=False) == "[red]start[/red]\nend\n"


def test_no_name_steers_a_terminal() -> None:
    assert printable("a\nb\x1b[2Jé\u202e\udcff") == "a\\nb\\x1b[2Jé\\u202e\\udcff"


def test_plural() -> None:
    assert [plural(count, "image") for count in (0, 1, 1000)] == ["0 images", "1 image", "1,000 images"]
