"""One module a subject; its name is the subject's."""
