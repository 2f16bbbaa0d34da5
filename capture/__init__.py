"""The raw side: what the radar hardware says, before any signal processing.

Nothing in here imports `radarid`. The data flow is the folder listing:

* `config`, `constraints`: one `RadarConfig` (SI units), and the rules that a waveform must keep;
* `formats`: every configuration file of TI's tools, what it claims, and what follows from it;
* `layouts`, `mimo`: int16 words <-> complex samples, chirps <-> transmit antennas;
* `file`: .bin files of every kind -> `AdcFrame` (`types`), with everything lost marked;
* `inspect`: what is this .bin, and why;
* `dca1000`: the board's packets -> frames, its commands, the radar's command line, clocks;
* `udp`: the live stream, received, assembled, queued and recorded;
* `emulator`: the board on loopback, with faults on demand;
* `simulate`: people walking in front of the radar, as real .bin files with the truth beside them;
* `camera`: pictures with their times, MTCNN face crops, the offset between camera and radar.
"""
