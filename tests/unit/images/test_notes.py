from shared.images.notes import CONSTANT, Note, NoteCode, joined, note_codes


def test_notes_are_told_as_code_words_with_sentences_and_found_again():
    pages = Note(NoteCode.PAGES, "first of 50 pages")
    assert str(pages) == "pages: first of 50 pages"
    text = joined(joined(notes=[pages, Note(NoteCode.COLOUR, "blue")]), None, notes=[CONSTANT])
    assert note_codes(text) == (NoteCode.PAGES, NoteCode.COLOUR, NoteCode.CONSTANT)
    assert joined(None, notes=[]) is None
    assert note_codes(None) == note_codes("nothing known: at all") == ()


def test_notes_of_rows_from_before_there_were_code_words():
    assert note_codes("first of 3 pages") == (NoteCode.PAGES,)


def test_each_code_has_a_label():
    assert len({code.label for code in NoteCode}) == len(NoteCode)
