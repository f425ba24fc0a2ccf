"""The audio library: files for call flows, normalised for telephony, searched, played, signed."""
