"""Scripts of mmWave Studio: what is read, what is refused, and that nothing is guessed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError
from capture.formats.load import load_radar_config, read_radar_file
from capture.formats.lua_script import Call, calls

LUA = r"""
--[[ A block comment with ar1.FrameConfig(9, 9, 9, 9, 9, 9, 9, 9) in it
]]
local PERIOD = 33 -- ms
SLOPE, OTHER = 1, 2
SLOPE = (10 + 5.015) * 2 / 2
NAME = "a \"quoted\" -- name"
ar1.SelectChipVersion("AR1642")
ar1.SelectChipVersion("XWR1843")
if (ar1.ChanNAdcConfig(1, 1, 0, 1, 1, 0, 1, 2, 1, 1) == 0) then
    WriteToLog("ChanNAdcConfig Success\n", "green")
else
    WriteToLog("ChanNAdcConfig failure\n", "red")
end
ar1.LPModConfig(0, 0)
ar1.DataPathConfig(513, 1216644097, 0)
ar1.LvdsClkConfig(1, 3)
ar1.LVDSLaneConfig(0, 1, 1, 0, 0, 1, 0, 0)
ret = ar1.ProfileConfig(0, 77, 60, 6, 60, 0, 0, 0, 0, 0, 0, SLOPE, 0, 0x100, 5e3, 0, 0, 30)
ar1.ChirpConfig(0, 0, 0, 0, 0, 0, 0, 1, 1, 0)
ar1.ChirpConfig(1, 1, 0, 0.5, -3, 1.5, 0.25, 0, 0, 1)
ar1.FrameConfig(0, 1, 200, 115, PERIOD, 0, 0, 1)
ar1.CaptureCardConfig_Mode(1, 2, 1, 2, 3, 30)
ar1.CaptureCardConfig_StartRecord(adc_data_path, 1)
print("rate", 1000 / PERIOD, "ar1.FrameConfig(1)")
"""


def read(tmp_path: Path, text: str) -> RadarConfig:
    path = tmp_path / "setup.lua"
    path.write_text(text)
    return load_radar_config(path)


def test_every_argument_of_a_script_arrives_in_si_units(tmp_path: Path) -> None:
    assert read(tmp_path, LUA) == RadarConfig(
        device="IWR1843",
        start_frequency_hz=77e9,
        slope_hz_per_s=15.015e12,
        sample_rate_hz=5e6,
        n_samples=256,
        idle_s=60e-6,
        adc_start_s=6e-6,
        ramp_end_s=60e-6,
        chirps=(Chirp(tx_mask=3), Chirp(tx_mask=4, start_frequency_offset_hz=0.5e6,
                slope_offset_hz_per_s=-3e9, idle_offset_s=1.5e-6, adc_start_offset_s=0.25e-6)),
        n_loops=115,
        n_frames=200,
        frame_period_s=33e-3,
        rx_mask=0b1011,
        adc_bits=16,
        adc_format="complex1x",
        iq_order="QI",
        n_lanes=2,
        rx_gain_db=30.0,
        lvds_lane_rate_bps=400e6,  # code 3
    )  # fmt: skip


def test_seven_arguments_of_the_frame_leave_out_the_dummy_chirps(tmp_path: Path) -> None:
    short = LUA.replace("PERIOD, 0, 0, 1)", "PERIOD, 0, 1)")
    assert read(tmp_path, short) == read(tmp_path, LUA)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("SLOPE, 0, 0x100", "SLOPE .. 1, 0, 0x100", "line 19: .*no constant: it is more.*SLOPE .. 1"),
    ("SLOPE, 0, 0x100", "slope(), 0, 0x100", "line 19: .*'slope' is not known.*got slope"),
    ("SLOPE, 0, 0x100", "T.slope, 0, 0x100", "'T' is not known; got T . slope"),
    ("SLOPE, 0, 0x100", "OTHER, 0, 0x100", "'OTHER' is not known"),
    ("SLOPE, 0, 0x100", "1 / 0, 0, 0x100", "divides by zero"),
    ("SLOPE, 0, 0x100", "2 ^ 4, 0, 0x100", r"no constant.*got 2 \^ 4"),
    ("SLOPE, 0, 0x100", "NAME + 1, 0, 0x100", "calculates with strings"),
    ("SLOPE, 0, 0x100", "'15', 0, 0x100", "argument 12 of ar1.ProfileConfig; got 15"),
    ("SLOPE, 0, 0x100", "SLOPE, 0, 256.5", "argument 14.*got 256.5; expected a whole number"),
    ("SLOPE, 0, 0x100", "SLOPE, 0, 1e999", "too large"),
    ("SLOPE, 0, 0x100", "(" * 60 + "1" + ")" * 60 + ", 0, 0x100", "nested too deeply"),
    ("77, 60", "77, -60", "argument 3 .*got -60; expected a number, not negative"),
    ("0, 0, 30)\n", "0, 30, 0, 0, 0)\n", "another number of arguments.*got 20; expected 18"),
    ("ChirpConfig(0, 0, 0, 0, 0, 0, 0, 1, 1, 0)", "ChirpConfig(0, 0, 0, 0, 0, 0, 0, 2, 0, 0)",
     "argument 8 of ar1.ChirpConfig; got 2"),
    ("PERIOD, 0, 0, 1)", "PERIOD, 0)", "another number of arguments.*got 6; expected 7 or 8"),
    ("PERIOD, 0, 0, 1)", "PERIOD, 0, 2, 1)", "2 dummy chirps"),
    ("200, 115", "200, 256", "argument 4 .*expected a whole number, 1 to 255"),
    ("local PERIOD = 33 -- ms", "if x then PERIOD = 33 end", "'PERIOD' is not known"),
    ("SLOPE, OTHER", "function f() PERIOD = 40 end\nSLOPE, OTHER", "'PERIOD' is not known"),
    ("SLOPE, OTHER", "for PERIOD = 1, 3 do end\nSLOPE, OTHER", "'PERIOD' is not known"),
    ("SLOPE, OTHER", "cfg = { PERIOD = 40 }\nSLOPE, OTHER", "'PERIOD' is not known"),
    ("ar1.FrameConfig(0, 1", "if a then ar1.FrameConfig(0, 1, 1, 1, 9, 0, 1) end "
     "ar1.FrameConfig(0, 1", "line 22: ar1.FrameConfig inside a block"),
    ("ar1.FrameConfig(0, 1", "ok = a and ar1.FrameConfig(0, 1", "behind a condition"),
    ("ar1.FrameConfig(0, 1", "goto x ar1.FrameConfig(0, 1", "scripts that jump"),
    ("ar1.LPModConfig(0, 0)", "do return end", "no call of ar1.FrameConfig"),
    ("ar1.LPModConfig(0, 0)", "f = ar1.FrameConfig", "something else than a plain call"),
    ("ar1.LPModConfig(0, 0)", "ar1 = other", "something else than a plain call"),
    ("ar1.LPModConfig(0, 0)", "ar1.SetBpmChirpConfig(1, 1, 48)", "BPM in scripts"),
    ("ar1.LPModConfig(0, 0)", "ar1.AdvanceFrameConfig(4)", "advanced frames"),
    ("ar1.LPModConfig(0, 0)", "ar1.ProfileConfig_mult(1)", "cascades"),
    ("ar1.LPModConfig(0, 0)", "ar1.EnableTestSource(1)", "test sources"),
    ("ar1.LPModConfig(0, 0)", "ar1.LPModConfig(0, 0) end", "'end' closes no block"),
    ("ar1.LPModConfig(0, 0)", "x = 'open", "line 15: not Lua"),
    ("ar1.LPModConfig(0, 0)", "--[[ open", "line 15: not Lua"),
    ("1216644097, 0)", "6, 0)", "packets 6 and 0"),
    ("LVDSLaneConfig(0, 1, 1, 0, 0, 1", "LVDSLaneConfig(0, 1, 0, 0, 0, 1", "2 and 4 LVDS lanes"),
    ("LVDSLaneConfig(0, 1, 1, 0, 0, 1", "LVDSLaneConfig(0, 1, 1, 0, 0, 0", "order of bits"),
    ("1, 1, 0, 1, 2, 1, 1)", "1, 1, 0, 524289, 2, 1, 1)", "argument 7 of ar1.ChanNAdcConfig"),
])  # fmt: skip
def test_what_is_not_certain_is_refused_with_line_and_expression(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in LUA
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, LUA.replace(old, new))
    assert "setup.lua" in str(caught.value)


def test_names_hold_the_value_that_they_have_at_the_call() -> None:
    text = "A = 1 f(A) ar1.X(A, -A + 2 * (A + 1)) A = A + 9; ar1.X(A) ar1.Y(nobody, reads, this)"
    assert list(calls(text, {"X": ()})) == [
        Call("X", 1, (Decimal(1), Decimal(3))),
        Call("X", 1, (Decimal(10),)),
    ]
    assert list(calls('ar1.X([[long "s"]], \'t\\n\', "\\65")', {"X": ()})) == [
        Call("X", 1, ('long "s"', "t\n", "A"))
    ]
    assert list(calls("-- ar1.X(1)\nx = 'ar1.X(2)'", {"X": ()})) == []


def test_calls_that_certainly_run_are_found_wherever_they_stand() -> None:
    text = """
if cold then warm() elseif hot then cool() else go() end
while busy() do wait() end
repeat wait() until ready
for i = 1, 3 do local y = function() return i end end
if (0 == ar1.X(1)) then log() end
print(ar1.X(2))
x = a or b
ar1.X(3)
if a or b then c() end ar1.X(4)
"""
    assert [call.arguments for call in calls(text, {"X": ()})] == [
        (Decimal(1),), (Decimal(2),), (Decimal(3),), (Decimal(4),),
    ]  # fmt: skip


def test_deep_and_long_scripts_take_no_time() -> None:
    deep = "f(" + "ar1.A(" * 20_000 + ")" * 20_001 + "\nar1.X(1)\n"
    assert [call.arguments for call in calls(deep, {"X": ()})] == [(Decimal(1),)]
    with pytest.raises(ConfigError, match="it may not run"):
        list(calls("y = a and " + "f(" * 300 + "ar1.X(1)" + ")" * 300, {"X": ()}))


def test_what_the_file_alone_does_not_tell_is_remarked(tmp_path: Path) -> None:
    path = tmp_path / "setup.lua"
    quiet = LUA.replace("ChanNAdcConfig(1, 1, 0", "ChanNAdcConfig(1, 1, 1")
    path.write_text(quiet + "dofile('more.lua')\n")
    assert read_radar_file(path).remarks == ("the script runs other files; what they set is not "
                                             "known here",)  # fmt: skip
    path.write_text(quiet.replace("Mode(1, 2", "Mode(1, 1"))
    assert read_radar_file(path).remarks == (
        "the DCA1000 listens to 4 LVDS lanes, the radar sends on 2",
    )
    path.write_text(LUA)
    assert read_radar_file(path).remarks == ("TX2 used by chirps, but not switched on",)
