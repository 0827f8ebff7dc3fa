"""How fast edgeser is on this device: ``edgeser bench``."""
