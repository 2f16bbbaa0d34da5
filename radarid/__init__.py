"""radarid: from raw mmWave radar captures to a name, by gait alone.

The data flow is the folder listing, and each layer imports only from those before it:

    capture  <-  radarid.dsp  <-  radarid.data  <-  radarid.learn  <-  radarid.live  <-  radarid.cli
"""

__version__ = "0.1.0"
