"""What the API gives: the one definition of its JSON, drawn into the document."""
