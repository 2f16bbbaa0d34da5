"""An example of losses that live outside radarid."""
