"""Every configuration file of TI's tools as one `RadarConfig`, and what follows from it."""

from capture.formats.load import find_config, load_radar_config, load_radar_configs

__all__ = ["find_config", "load_radar_config", "load_radar_configs"]
