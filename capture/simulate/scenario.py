"""Who walks how: many walks of many people, planned from one seed.

Everything random is drawn from a stream named after what it is for ("traits of p03", "noise of
p03_s1_t02"). More people, walks or sessions therefore never change the ones that were there.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from capture import seeding
from capture.config import RadarConfig
from capture.file.sidecar import Sidecar
from capture.schema import config_class, to_mapping
from capture.simulate.mocap import MocapWalk, list_walks
from capture.simulate.motion import BodyMotion
from capture.simulate.parametric import WalkerTraits, draw_traits, walk
from capture.simulate.scene import Scene
from capture.simulate.source import SimulatedRecording

Direction = Literal["away", "towards"]
NEAR_M, FAR_M = 1.2, 8.0
WALK_S = 5.0
SHORTEST_CAPTURED_S = 3.0
"""Captured walks of less are continued by repeating a stride: a clip needs two seconds."""

_CROSSING_RAD = float(np.deg2rad(8.0))
_MADE_BY = "radarid simulate"
_OPPOSITE: dict[Direction, Direction] = {"away": "towards", "towards": "away"}


@config_class
class ScenarioParams:
    """What to simulate.

    Attributes
    ----------
    radar : waveform and raw format
    n_subjects : people; of motion capture, those with the most walks, as far as there are so many
    n_walks : walks of each person, spread evenly over the sessions
    n_sessions : days; each has its own room, and a person differs a little from day to day
    n_views : recordings of each walk, as if it were walked again: every other one in the opposite
        direction, each on its own line and with its own noise. They share the take, so that no
        split parts them
    seconds : how long a walk lasts; None means 5 s, or what was captured but at least 3 s. A
        captured walk is cut, or continued by repeating a stride. A walk ends where the room ends
        (1.2 to 8 m)
    lateral_m : each walked line passes up to so far beside the radar
    snr_db : see `Scene.snr_db`
    snr_spread_db : each recording's noise differs from `snr_db` by up to so much
    seed : of everything
    mocap : folder of captured walks (see `capture.simulate.mocap`); None for invented people
    """

    radar: RadarConfig = dataclasses.field(default_factory=RadarConfig)
    n_subjects: int = Field(8, ge=1)
    n_walks: int = Field(6, ge=1)
    n_sessions: int = Field(2, ge=1)
    n_views: int = Field(1, ge=1)
    seconds: float | None = Field(None, gt=0)
    lateral_m: float = Field(0.4, ge=0)
    snr_db: float = Scene.snr_db
    snr_spread_db: float = Field(0.0, ge=0)
    seed: int = Field(0, ge=0)
    mocap: str | None = None


@dataclass(frozen=True)
class PlannedWalk:
    """One walk that can be simulated at any time, in any order.

    Attributes
    ----------
    subject, session, take : who walks, when
    direction : 'away' or 'towards'
    params : of the scenario that it belongs to
    captured : the motion capture it comes from; None for an invented person
    view : which recording of this walk
    """

    subject: str
    session: str
    take: str
    direction: Direction
    params: ScenarioParams
    captured: MocapWalk | None = None
    view: int = 0

    @property
    def stem(self) -> str:
        """Stem of the recording's files."""
        return f"{self._walk}_v{self.view + 1}" if self.view else self._walk

    @property
    def _walk(self) -> str:
        return f"{self.subject}_{self.session}_{self.take}"

    @property
    def camera_seed(self) -> int:
        """Seed of the video of this walk."""
        return self._seed("camera", self.stem)

    def simulate(self) -> SimulatedRecording:
        """Set the walk up; its frames are computed when they are asked for.

        Raises
        ------
        SimulationError
            A captured walk that cannot be read, completed or continued.
        """
        motion, traits = self._motion()
        rng = self._rng("line", self.stem)
        params, spread_db = self.params, self.params.snr_spread_db
        scene = Scene(
            direction=self.direction,
            near_m=NEAR_M,
            lateral_m=float(rng.uniform(-params.lateral_m, params.lateral_m)),
            crossing_angle_rad=float(rng.uniform(-_CROSSING_RAD, _CROSSING_RAD)),
            clutter_seed=self._seed("room", self.session),
            snr_db=params.snr_db + float(rng.uniform(-spread_db, spread_db)),
        )
        return SimulatedRecording(
            params.radar,
            _within(motion, FAR_M - NEAR_M),
            scene,
            seed=self._seed("noise", self.stem),
            name=self.stem,
            sidecar=Sidecar(
                subject=self.subject, session=self.session, take=self.take, made_by=_MADE_BY
            ),
            traits=traits,
        )

    def _motion(self) -> tuple[BodyMotion, dict[str, Any]]:
        seconds = self.params.seconds
        if self.captured is not None:
            motion = self.captured.load()
            motion = motion.extend(SHORTEST_CAPTURED_S if seconds is None else seconds)
            if seconds is not None:
                motion = motion.between(0.0, seconds)
            return motion, {"kind": "captured", "source": self.captured.source}
        person = draw_traits(self._rng("traits", self.subject))
        today = _of_the_day(person, self._rng("day", self.subject, self.session))
        seconds = seconds if seconds is not None else WALK_S
        motion = walk(today, seconds, self._rng("walk", self._walk)).between(0.0, seconds)
        return motion, {"kind": "parametric", **to_mapping(today)}

    def _rng(self, *names: str) -> np.random.Generator:
        return seeding.rng(self.params.seed, *names)

    def _seed(self, *names: str) -> int:
        return int(self._rng(*names).integers(2**31))


def plan(params: ScenarioParams) -> list[PlannedWalk]:
    """List the walks of a scenario; nothing is simulated yet.

    Raises
    ------
    SimulationError
        The motion capture folder holds no walk.
    """
    if params.mocap is not None:
        walks = _plan_captured(params, list_walks(Path(params.mocap)))
    else:
        walks = _plan_invented(params)
    return [view for planned in walks for view in _views(planned)]


def _views(planned: PlannedWalk) -> Iterator[PlannedWalk]:
    """Yield every recording of a walk."""
    turned = _OPPOSITE[planned.direction]
    for view in range(planned.params.n_views):
        direction = turned if view % 2 else planned.direction
        yield dataclasses.replace(planned, view=view, direction=direction)


def _plan_invented(params: ScenarioParams) -> list[PlannedWalk]:
    return [
        PlannedWalk(
            subject=f"p{subject + 1:02d}",
            session=f"s{number % params.n_sessions + 1}",
            take=f"t{number // params.n_sessions + 1:02d}",
            direction=_direction(number // params.n_sessions),
            params=params,
        )
        for subject in range(params.n_subjects)
        for number in range(params.n_walks)
    ]


def scenario(params: ScenarioParams) -> Iterator[SimulatedRecording]:
    """Yield the recordings of a scenario, each set up when its turn comes.

    A recording names itself (`.name`, the stem of its files) and carries its `.sidecar`.

    Raises
    ------
    SimulationError
        No motion capture where it should be, or a captured walk that cannot be used.
    """
    for planned in plan(params):
        yield planned.simulate()


def _plan_captured(params: ScenarioParams, walks: list[MocapWalk]) -> list[PlannedWalk]:
    people: dict[str, dict[str, list[MocapWalk]]] = defaultdict(lambda: defaultdict(list))
    for captured in walks:
        people[captured.subject_id][captured.session].append(captured)
    by_walks = sorted(people, key=lambda name: (-sum(map(len, people[name].values())), name))
    planned = []
    for subject in sorted(by_walks[: params.n_subjects]):
        sessions = sorted(people[subject])[: params.n_sessions]
        for rank, session in enumerate(sessions):
            share = len(range(rank, params.n_walks, len(sessions)))
            planned += [
                PlannedWalk(
                    subject=subject,
                    session=session,
                    take=captured.take.removeprefix(f"{session}_"),
                    direction=_direction(number),
                    params=params,
                    captured=captured,
                )
                for number, captured in enumerate(_spread(people[subject][session], share))
            ]
    return planned


def _spread(walks: list[MocapWalk], n: int) -> list[MocapWalk]:
    """At most `n` of the walks, evenly over the list."""
    wanted = min(n, len(walks))
    return [walks[k * len(walks) // wanted] for k in range(wanted)]


def _direction(number: int) -> Direction:
    return "towards" if number % 2 else "away"


def _of_the_day(person: WalkerTraits, rng: np.random.Generator) -> WalkerTraits:
    """Let a person be in another mood and other shoes: speed 3 %, arms 8 %, foot 3 %, 0.6 deg."""
    speed, arms, foot, lean = np.clip(rng.standard_normal(4), -2, 2)
    return dataclasses.replace(
        person,
        speed_mps=person.speed_mps * (1 + 0.03 * speed),
        stride_hz=person.stride_hz * np.sqrt(1 + 0.03 * speed),
        arm_swing=person.arm_swing * (1 + 0.08 * arms),
        foot_swing=person.foot_swing * (1 + 0.03 * foot),
        trunk_lean_rad=person.trunk_lean_rad + 0.01 * lean,
    )


def _within(motion: BodyMotion, length_m: float) -> BodyMotion:
    """Cut a walk where it has gone `length_m` ahead."""
    ahead = motion.joint("pelvis")[:, 1] - motion.joint("pelvis")[0, 1]
    beyond = np.flatnonzero(ahead > length_m)
    return motion.between(motion.time_s[0], motion.time_s[beyond[0] - 1]) if len(beyond) else motion
