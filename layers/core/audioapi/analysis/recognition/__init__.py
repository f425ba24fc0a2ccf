"""From sound to utterances: who speaks, when, and which words."""
