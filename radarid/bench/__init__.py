"""Measurements: what the signal processing costs here, and what others take for the same image.

`workload` says what is computed, `job` fixes the definition of the image, `contenders` compute it,
`timing` measures them in rotated rounds, `report` puts it all together and shows it.
"""
