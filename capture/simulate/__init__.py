"""Walking people in front of a radar, with everything about them known.

    parametric.walk   ┐
    mocap.list_walks  ┴> motion.BodyMotion -> scene.place -> scatterers.body_scatterers
        -> synthesis.beat_signal (+ clutter, noise, offset, ADC) -> source.SimulatedRecording

`scenario.scenario` plans many walks of many people from one seed and yields a `SimulatedRecording`
for each: a `FrameSource` like any file, computed frame by frame, which `save` turns into a .bin
with its sidecar, truth (`truth.py`) and radar configuration. `face_renderer` and `camera_clip` give
the walkers faces. Nothing of the signal processing is used here: the two share `RadarConfig` only.
"""
