"""`rt-detect`: a detector on a video, a camera or images."""

from __future__ import annotations

from .terminal.detection_run import DetectionOptions, run_detection
from .terminal.verb import run_alone, verb


@verb
def rt_detect(options: DetectionOptions) -> None:
    """Detect objects in a video, a camera's picture or images.

    Prints what was found, the frame rate and the stage times. Ctrl-C ends a run early; what was written until then is
    complete.

    Examples:
      rt-detect --video clip.mp4 --save found.mp4 --json found.jsonl

      rt-detect --video cam0 --show --score 0.4 --score person=0.7

      rt-detect --video 'photos/**/*.jpg' --save annotated/

      rt-detect --video clip.mp4 --backend openvino:fp32

      rt-detect --video cam0 --video cam1 --save '{camera}.mkv' --max-age-ms 200

      rt-detect --video cam0 --blur person --save street.mkv

      rt-detect --video street.mp4 --track --save followed.mp4 --mot ids.txt

      rt-detect --video street.mp4 --line gate=0.5,1,0.5,0 --save counted.mp4

      rt-detect --video cam0 --rule 'person enters' --events events/ --clip 5s+10s

      rt-detect --video cam0 --live 8080

      rt-detect --config cameras.toml

      rt-detect --video clip.mp4 --json - | grep '"dog"'
    """
    run_detection(options)


def main() -> None:
    """Run the command `rt-detect`."""
    run_alone("rt-detect", rt_detect)


if __name__ == "__main__":
    main()
