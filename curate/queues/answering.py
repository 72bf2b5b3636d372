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
from curate.core.losses import THRESHOLDS, losses
from curate.core.names import REJECTED
from curate.queues import saving
from curate.queues.expectations.makeup import Makeup, groups_of, makeup
from curate.queues.expectations.yields import Calibration, checked, fitted, foreseen
from curate.queues.filters.filters import check_class
from curate.queues.index import candidates as pool
from curate.queues.index import indexed
from curate.queues.index.compared import compare
from curate.queues.index.counted import class_counts
from curate.queues.index.sampled import sampled
from curate.queues.index.totals import totals
from curate.queues.predicted import Predicted, predicted
from curate.queues.question import Question
from curate.queues.recipe import Aim, Recipe, compose
from curate.queues.recipes import recipe_of
from curate.store import embeddings
from curate.store.library import Library


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
        said = self.said
        self._opened = indexed.asked(
            self._library, said.run_ids, model=said.model, classes=said.classes
        )
        self._asked = self._opened.__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        if self._opened is not None:
            self._opened.__exit__(None, None, None)

    def of(self, name: str, budget: int = 0) -> pd.DataFrame:
        """Make the queue of a recipe.

        Parameters
        ----------
        name : str
            One of `RECIPES`.
        budget : int, optional
            How many looks a plan shares out that the queue is for.

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
        known = self.said.classes
        aim = Aim(self.classes, asked.min_count, filters, asked.of, known, asked.seed, budget)
        aim = self._with(aim, recipe)
        rank = recipe.rank(aim) if recipe.rank else ""
        found = pool.candidates(self.asked, filters, self.classes, recipe.narrow(aim), rank)
        if "other" in recipe.needs:
            aim = replace(aim, other=pool.of_other(self.asked, found))
        if "features" in recipe.needs or filters.diverse:
            wanted = {*found["image_id"]}
            if aim.features is not None:
                wanted -= {*aim.features["image_id"]}
            parts = [aim.features, self._features(wanted)]
            full = [part for part in parts if part is not None and len(part)]
            features = pd.concat(full, ignore_index=True) if full else parts[1]
            aim = replace(aim, features=features)
        table = compose(recipe, found, replace(aim, makeup=self._makeup))
        kinds = self._chances(found[found["image_id"].isin(table["image_id"])])
        table = foreseen(table, name, kinds.set_index("image_id"), self.calibration)
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
        # As the images were before the answer, which must not help to foresee itself.
        before = self._chances(self._answered.assign(label=None))
        groups = before.set_index("image_id")["group"]
        looks = self._looks.assign(group=self._looks["image_id"].map(groups))
        return fitted(looks, checked(self._answered, before))

    @cached_property
    def _answered(self) -> pd.DataFrame:
        return pool.answered(self.asked)

    @cached_property
    def _looks(self) -> pd.DataFrame:
        return saving.looks(self._library)

    @cached_property
    def _makeup(self) -> Makeup | None:
        return makeup(sampled(self.asked), frozenset(self.said.classes))

    def _chances(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Say what images are likely of, and in which group (`makeup.groups_of`) they are.

        Where nobody can say, all but the score is missing.
        """
        if self._makeup is not None:
            said = self._makeup.of(rows)
        else:
            nothing = dict.fromkeys(("second", "known", "strange"), float("nan"))
            said = rows[["score"]].rename(columns={"score": "right"}).assign(**nothing)
        return said.assign(image_id=rows["image_id"], group=groups_of(rows))

    def decided(self) -> pd.DataFrame:
        """Give the answers to images that the model predicted before; see `losses.losses`."""
        known = self._answered
        refused = known["rejected"].fillna(False).astype(bool)
        shown = self._looks.sort_values("recipe").drop_duplicates("image_id")
        fair = self._looks.loc[self._looks["recipe"] == "random", "image_id"]
        recipe = known["image_id"].map(shown.set_index("image_id")["recipe"]).astype(object)
        return pd.DataFrame(
            {
                "score": known["score"],
                "answer": known["label"].astype(object).mask(refused, REJECTED),
                "recipe": recipe.mask(known["image_id"].isin(fair), "random"),
            }
        )

    def losses(self) -> pd.DataFrame:
        """Estimate what would be lost if all up to a score were removed; see `losses.losses`."""
        counted = totals(self.asked)
        up_to = [int(counted[f"up_to_{at}"].sum()) for at in range(len(THRESHOLDS))]
        return losses(self.decided(), up_to, int(counted["images"].sum()))

    def predicted_pool(self) -> dict[str, int]:
        """Count the undecided images by the class that they are predicted as."""
        counted = totals(self.asked)
        return dict(zip(counted["predicted"].astype(str), map(int, counted["images"]), strict=True))

    def _with(self, aim: Aim, recipe: Recipe) -> Aim:
        if "labelled" in recipe.needs:
            known = [self._labelled] + [self._rejected] * ("rejected" in recipe.needs)
            aim = replace(aim, labelled=pd.concat(known, ignore_index=True))
            if "features" in recipe.needs:
                # What a recipe hands over may hang on how the labelled images lie.
                features = [self._labelled_features]
                features += [self._features(rows["image_id"]) for rows in known[1:]]
                aim = replace(aim, features=pd.concat(features, ignore_index=True))
        if "other" in recipe.needs:
            self._compare()
        return aim

    @cached_property
    def _labelled(self) -> pd.DataFrame:
        return pool.labelled(self.asked)

    @cached_property
    def _rejected(self) -> pd.DataFrame:
        return pool.rejected(self.asked)

    @cached_property
    def _labelled_features(self) -> pd.DataFrame:
        return self._features(self._labelled["image_id"])

    def _compare(self) -> None:
        if self._other is None:
            raise InputError(
                "one checkpoint",
                "this recipe compares the predictions of two",
                "Name the other one: --against CKPT.",
            )
        compare(self._library, self.asked, self._other.run_ids)

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
