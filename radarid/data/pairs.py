"""A face for each clip: same person, and only from recordings that training may see."""

from __future__ import annotations

import numpy as np

from radarid.data.tables import ClipTable, FaceTable
from radarid.errors import SplitError


class FacePairs:
    """Draws rows of the face table for rows of the clip table.

    Faces come from the recordings of the training clips alone, so no face from a validation or
    test walk ever reaches the student.

    Parameters
    ----------
    clips, faces : tables of the store
    train : rows of the training clips

    Raises
    ------
    SplitError
        A person in training has no face in any training recording.
    """

    def __init__(self, clips: ClipTable, faces: FaceTable, train: np.ndarray) -> None:
        self._clips, self._faces = clips, faces
        self.rows = np.flatnonzero(np.isin(faces.recording, np.unique(clips.recording[train])))
        self._people, owner = np.unique(faces.subject[self.rows], return_inverse=True)
        missing = sorted(set(clips.subject[train].tolist()) - set(self._people.tolist()))
        if missing:
            raise SplitError(
                "no face to train with", where=f"subject {missing[0]}",
                got=f"{len(missing)} of the people in training have no face crop in a training "
                f"recording: {', '.join(missing)}",
                remedy="ingest with camera files, or train without a face teacher",
            )
        order = np.argsort(owner, kind="stable")
        self._by_person = self.rows[order]
        self._count = np.bincount(owner, minlength=len(self._people))
        self._start = np.cumsum(self._count) - self._count

    def random(self, clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw any training face of the same person for each clip.

        Parameters
        ----------
        clips : int array, shape (n,), rows of the clip table, of people in training
        rng : where chance comes from

        Returns
        -------
        int64 array, shape (n,), rows of the face table
        """
        subject = self._clips.subject[clips]
        person = np.searchsorted(self._people, subject)
        known = person < len(self._people)
        known[known] = self._people[person[known]] == subject[known]
        if not known.all():
            raise SplitError("not in training", where=f"subject {subject[~known][0]}")
        drawn = (rng.random(len(person)) * self._count[person]).astype(np.int64)
        return self._by_person[self._start[person] + drawn]

    def synchronous(self, clips: np.ndarray, clip_s: float) -> np.ndarray:
        """Return the face of the same recording that is nearest to each clip's middle.

        Parameters
        ----------
        clips : int array, shape (n,), rows of the clip table
        clip_s : length of a clip, seconds

        Returns
        -------
        int64 array, shape (n,), rows of the face table

        Raises
        ------
        SplitError
            A clip's recording has no face, or is not in training.
        """
        found = np.empty(len(clips), np.int64)
        recording = self._clips.recording[clips]
        middle_s = self._clips.start_s[clips] + clip_s / 2
        for row in np.unique(recording):
            faces = self.rows[self._faces.recording[self.rows] == row]
            here = np.flatnonzero(recording == row)
            if not len(faces):
                raise SplitError(
                    "no face was seen during this recording", where=f"recording {row}",
                    remedy="pair at random: faces of the same person from other walks",
                )
            distance_s = np.abs(self._faces.time_s[faces][None] - middle_s[here][:, None])
            found[here] = faces[np.argmin(distance_s, axis=1)]
        return found
