"""What the API takes: queries and bodies, checked at run time and drawn into the document."""
