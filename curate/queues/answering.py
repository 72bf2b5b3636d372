"""Answer a question by a recipe: gather what the recipe needs, let it decide, correct what it
expects by what earlier looks came to."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property

import duckdb
import pandas as pd

from curate.core.errors import InputError, LibraryError
from curate.core.names import REJECTED
from curate.queues import saving
from curate.queues.expectations.yields import Calibration, checked, fitted, foreseen, known_chance
from curate.queues.filters.filters import check_class
from curate.queues.index import candidates as pool
from curate.queues.index import indexed
from curate.queues.index.counted import class_counts
from curate.queues.predicted import Predicted, predicted
from curate.queues.question import Question
from curate.queues.recipe import Aim, Recipe, compose
from curate.queues.recipes import recipe_of
from curate.queues.removal import THRESHOLDS, losses
from curate.store import embeddings
from curate.store.library import Library

_UNDECIDED = "label IS NULL AND rejected IS NOT TRUE"


class Answering:
    """What several queues of one library, model and cutoff stand on; asked for once.

    Attributes
    ----------
    said : Predicted
        The predictions that count.
    classes : DataFrame
        The classes of the library, as `facts.class_counts` gives them.
    """

    def __init__(self, library: Library, question: Question) -> None:
        self._library, self._question = library, question
        with library.reading() as connection:
            self.said = predicted(library, connection, question.model)
            self._other = (
                predicted(library, connection, question.against) if question.against else None
            )
        self.classes = class_counts(library, question.count)
        check_class(question.filters.classes, self.said.classes, list(self.classes["label"]))
        self._opened: AbstractContextManager[duckdb.DuckDBPyConnection] | None = None
        self._asked: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Answering:
        self._opened = indexed.asked(self._library, self.said.run_ids)
        self._asked = self._opened.__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        if self._opened is not None:
            self._opened.__exit__(None, None, None)

    def of(self, name: str) -> pd.DataFrame:
        """Make the queue of a recipe.

        Parameters
        ----------
        name : str
            One of `RECIPES`.

        Returns
        -------
        DataFrame
            `QUEUE_COLUMNS`; `raw` and `known`, which `store.offered` keeps (see `yields.foreseen`);
            `group` names images that look alike.
        """
        recipe = recipe_of(name)
        asked, filters = self._question, self._question.filters
        if recipe.decided and not filters.labelled:
            filters = replace(filters, labelled=True)
        aim = Aim(self.classes, asked.min_count, filters, asked.of, self.said.classes, asked.seed)
        aim = self._with(aim, recipe)
        found = pool.candidates(self.asked, filters, self.classes, recipe.narrow(aim))
        if "features" in recipe.needs or filters.diverse:
            wanted = {*found["image_id"]}
            if aim.features is not None:
                wanted -= {*aim.features["image_id"]}
            parts = [aim.features, self._features(wanted)]
            full = [part for part in parts if part is not None and len(part)]
            features = pd.concat(full, ignore_index=True) if full else parts[1]
            aim = replace(aim, features=features)
        known = known_chance(found.set_index("image_id")["novelty"], self._novel)
        table = foreseen(compose(recipe, found, aim), name, known, self.calibration)
        groups = found.set_index("image_id")["group"]
        return table.assign(
            raw=table["expected"],
            expected=table["calibrated"],
            group=table["image_id"].map(groups),
        )

    @property
    def asked(self) -> duckdb.DuckDBPyConnection:
        """The candidates, in DuckDB; see `indexed.asked`."""
        if self._asked is None:
            raise RuntimeError("Answering is used as a context")
        return self._asked

    @cached_property
    def calibration(self) -> Calibration:
        """What earlier looks came to."""
        return fitted(self._looks, checked(pool.answered(self.asked), self._novel))

    @cached_property
    def _looks(self) -> pd.DataFrame:
        return saving.outcomes(self._library)[0]

    @cached_property
    def _novel(self) -> float:
        """The share of the pool that is more novel than nearly all known images."""
        row = self.asked.execute(
            "SELECT avg((novelty > 1)::INT) FROM everything "
            f"WHERE {_UNDECIDED} AND novelty IS NOT NULL AND NOT isnan(novelty)"
        ).fetchone()
        return float(row[0] or 0.0) if row else 0.0

    def losses(self) -> pd.DataFrame:
        """Estimate what would be lost if all up to a score were removed; see `removal.losses`."""
        known = pool.answered(self.asked)
        refused = known["rejected"].fillna(False).astype(bool)
        shown = self._looks.sort_values("recipe").drop_duplicates("image_id")
        fair = self._looks.loc[self._looks["recipe"] == "random", "image_id"]
        recipe = known["image_id"].map(shown.set_index("image_id")["recipe"]).astype(object)
        decided = pd.DataFrame(
            {
                "score": known["score"],
                "answer": known["label"].astype(object).mask(refused, REJECTED),
                "recipe": recipe.mask(known["image_id"].isin(fair), "random"),
            }
        )
        counts = ", ".join(f"count(*) FILTER (WHERE score <= {edge})" for edge in THRESHOLDS)
        row = self.asked.execute(
            f"SELECT count(*), {counts} FROM everything WHERE {_UNDECIDED}"
        ).fetchone()
        total, *up_to = row or (0, *(0 for _ in THRESHOLDS))
        return losses(decided, up_to, total)

    def predicted_pool(self) -> dict[str, int]:
        """Count the undecided images by the class that they are predicted as."""
        rows = self.asked.execute(
            "SELECT predicted, count(*) FROM everything "
            f"WHERE {_UNDECIDED} GROUP BY predicted ORDER BY predicted"
        ).fetchall()
        return {str(name): int(number) for name, number in rows}

    def _with(self, aim: Aim, recipe: Recipe) -> Aim:
        if "labelled" in recipe.needs:
            labelled = pool.labelled(self.asked)
            aim = replace(aim, labelled=labelled)
            if "features" in recipe.needs:
                # What a recipe hands over may hang on how the labelled images lie.
                aim = replace(aim, features=self._features(labelled["image_id"]))
        if "other" in recipe.needs:
            aim = replace(aim, other=self._of_other())
        return aim

    def _of_other(self) -> pd.DataFrame:
        if self._other is None:
            raise InputError(
                "one checkpoint",
                "this recipe compares the predictions of two",
                "Name the other one: --against CKPT.",
            )
        with indexed.asked(self._library, self._other.run_ids) as answering:
            return pool.said(answering, ("predicted", "score"))

    def _features(self, wanted: Collection[str]) -> pd.DataFrame:
        """Give the features of images; none where the library has none of this model."""
        try:
            ids, matrix = embeddings.of_images(self._library, wanted, self.said.model)
        except (LibraryError, InputError):
            return pd.DataFrame({"image_id": [], "embedding": []}, dtype=object)
        return pd.DataFrame({"image_id": ids, "embedding": list(matrix)})


def told(table: pd.DataFrame, said: Predicted) -> pd.DataFrame:
    """Note in `attrs` of a queue whose predictions it goes by."""
    table.attrs.update(model=said.model, checkpoint=said.path, other_models=said.others)
    return table
