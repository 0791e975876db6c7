"""Hands a camera's events on."""

from __future__ import annotations

from collections.abc import Callable

import av

from ..sinks.frame_result import FrameResult
from ..sinks.sink import Sink
from .clips import ClipRecorder
from .dispatch import Dispatch, Reaction


class EventsSink(Sink):
    """Lets a camera's events do what their rules say.

    Args:
        dispatch: of all cameras.
        reaction_of: says what the events of a rule do, by its name.
        recorder: keeps the packets for them; none without clips.
        on_result: is given each result, to count.
        on_close: is called when the camera has ended.
        tell: is given a line where clips cannot be encoded.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        reaction_of: Callable[[str], Reaction],
        *,
        recorder: ClipRecorder | None,
        on_result: Callable[[FrameResult], None] = lambda _result: None,
        on_close: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._dispatch = dispatch
        self._reaction_of = reaction_of
        self._recorder = recorder
        self._on_result = on_result
        self._on_close = on_close
        self._tell = tell

    @property
    def needs_drawing(self) -> bool:
        """For clips, which show what was found."""
        return self._recorder is not None

    def write(self, result: FrameResult) -> None:
        """Hand on what happened in a frame."""
        if self._recorder is not None:
            try:
                self._recorder.see(result)
            except av.FFmpegError as error:
                self._tell(f"clips: could not be encoded ({error.strerror}); the run goes on without.")
                self._recorder = None
        for event in result.events:
            reaction, clip = self._reaction_of(event.rule), None
            if self._recorder is not None and reaction.clip is not None:
                clip = self._recorder.record(event, reaction.clip)
            self._dispatch.take(event, reaction, image=result.frame.image, clip=clip)
        self._on_result(result)

    def close(self) -> None:
        """Finish the clip that there is."""
        if self._recorder is not None:
            self._recorder.close()
        self._on_close()
