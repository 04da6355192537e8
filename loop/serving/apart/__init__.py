"""Drawing in a process of its own: who asks for finished ads never waits for Python that draws."""
