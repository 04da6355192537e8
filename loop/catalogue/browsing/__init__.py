"""Finding one's way through a catalogue of any size: a step costs what it shows."""
