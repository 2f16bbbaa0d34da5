"""The raw side: what the radar hardware says, before any signal processing.

Nothing in here imports `radarid`. The data flow is the folder listing:

* `config`, `formats`: every configuration file TI's tools write -> one `RadarConfig` (SI units);
* `constraints`, `claims`, `radar_report`: named waveform rules, what files claim, what is wrong;
* `stream`, `layouts`, `inspect`, `file`: .bin bytes <-> int16 lanes <-> `AdcFrame`;
* `simulate`: people walking in front of the radar, as real .bin files with the truth beside them;
* `camera`, `faces`: camera streams -> MTCNN face crops.
"""
