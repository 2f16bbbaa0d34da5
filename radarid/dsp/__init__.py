"""Signal processing: raw int16 chirps -> range-time map -> micro-Doppler clips."""
