"""One module for each layout that `captioner.prepare` reads, and two for what they share."""
