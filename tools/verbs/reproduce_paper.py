"""`singleshot reproduce-paper`: the paper's experiments, from data to table and figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.data_options import AnywayFlag, BackgroundFlag
from ..terminal.stage_progress import tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...train.paper.plan import PaperPlan, PaperRun
    from ...train.paper.runs import PaperRunner


@dataclass(frozen=True, kw_only=True)
class PaperOptions:
    """What `reproduce-paper` is told."""

    data: Annotated[Path, typer.Option(metavar="DIR", help="Labelled images, one class each: Kaggle's layout.")]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of results and runs.")]
    epochs_classification: Annotated[int, typer.Option(min=1, help="Of classifiers.")] = 100
    epochs_localization: Annotated[int, typer.Option(min=1, help="Of detectors.")] = 25
    size: Annotated[int, typer.Option(min=64, help="Height and width of the input, in pixels.")] = 224
    seeds: Annotated[str, typer.Option(metavar="0,1,…", help="Every run is repeated with each.")] = "0"
    models: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Names of `singleshot models`; if not given, the paper's: resnet50, ssd7_classifier, resnet_dropout, "
            "vgg_lite, vgg_joint, vgg_joint_normalised, ssd7, ssd_resnet.",
        ),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…|N|FILE", help="Names, a number (always the same classes), or a file; all if not given."
        ),
    ] = None
    recipe: Annotated[
        str,
        typer.Option(
            help="paper: Adam, no augmentation. modern: cosine, EMA, label smoothing, mixup, cutmix. progressive: "
            "modern, with images that grow while classifiers train, for more epochs in the same time."
        ),
    ] = "paper"
    ablation: Annotated[
        str | None,
        typer.Option(
            metavar="NETWORK", help="Train this classifier with each augmentation alone too; 3 seeds or more."
        ),
    ] = None
    trained_base: Annotated[
        bool,
        typer.Option(
            "--trained-base",
            help="Start ssd7 and ssd_resnet with their classifiers' convolutions, of the same recipe.",
        ),
    ] = False
    workers: Annotated[int, typer.Option(min=0, help="Processes that read images.")] = 2
    precision: Annotated[str, typer.Option(help="As of `singleshot train`.")] = "auto"
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False


@verb
def reproduce_paper(options: PaperOptions) -> None:
    """Run the experiments of *Object Classification and Localization on ImageNet* and write its table and figures.

    Classification and localization on an 80/20 split; results.md, runs.csv, table.csv and figures stand beside the
    paper's own numbers. The same command goes on where it was interrupted, and adds what was not run yet: another
    recipe, more seeds. Report and figures are written anew after each run.

    In full it is for a GPU: a CPU core would take a week for resnet50 alone. Smaller: --size, --classes, fewer epochs.

    Example: singleshot reproduce-paper --data IMAGENET --classes 25 -o results --seeds 0,1,2

    A quick look: singleshot reproduce-paper --data IMAGENET --classes 25 -o quick --size 64 --epochs-classification 4
    --epochs-localization 2 --models resnet_dropout,ssd_resnet
    """
    from ...runtime.require import require, require_training

    require_training("training")
    require("matplotlib", extra="train", why="figures")
    from ...data.class_choice import chosen_classes
    from ...data.dataset import open_dataset
    from ...train.paper.plan import PaperPlan, parsed_networks, parsed_recipe, parsed_seeds
    from ...train.paper.runs import CLASS_SEED, PaperRunner

    classes = options.classes
    chosen = None if classes is None else chosen_classes(classes, options.data, seed=CLASS_SEED)
    names = open_dataset(options.data, class_names=chosen).class_names
    plan = PaperPlan(
        networks=parsed_networks(options.models),
        recipe=parsed_recipe(options.recipe),
        seeds=parsed_seeds(options.seeds),
        classes=len(names),
        size=options.size,
        epochs_classification=options.epochs_classification,
        epochs_localization=options.epochs_localization,
        ablation=options.ablation,
        trained_base=options.trained_base,
    )
    runner = PaperRunner(
        root=options.data,
        class_names=names,
        out=options.out,
        classes_asked=classes,
        workers=options.workers,
        precision=options.precision,
        missing_is_background=options.missing_is_background,
        anyway=options.anyway,
    )
    _run(runner, plan)


def _run(runner: PaperRunner, plan: PaperPlan) -> None:
    from ..paper.report import write_paper_report

    def say(run: PaperRun, number: int, count: int) -> None:
        write_paper_report(runner.out)
        tell(f"run {number} of {count}: {run.round} {run.variant}, seed {run.seed}")

    try:
        runner.train_all(plan, say)
    except KeyboardInterrupt:
        tell("Interrupted. The same command goes on after the last whole epoch.")
        raise
    finally:
        report = write_paper_report(runner.out)
    if report is not None:
        print(report)
