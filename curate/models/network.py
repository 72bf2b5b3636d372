"""A checkpoint's network with everything that belongs to it: uint8 pixels in, logits out.

Normalising lies inside, so that every backend takes the same bytes and none gets it wrong.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from curate.core.errors import CheckpointError
from curate.models.arch import build
from curate.models.checkpoint import Checkpoint
from curate.models.preprocess import Preprocessing

DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""Precisions by name: what the body of a network computes with."""

_CLOSE = 1e-3
"""The largest difference of logits, of a spread of 1, that folding may make."""


class Head(nn.Module):
    """The classifier of a network, in float32, with its input beside its output where wanted.

    Rounding to 8 bits of a bfloat16 would move a logit of 20 by 0.06: the head is a hundredth of
    the work and keeps full precision.
    """

    def __init__(self, classifier: nn.Module, features: bool) -> None:
        super().__init__()
        self.classifier = classifier.float()
        self.features = features

    def forward(self, pooled: Tensor) -> Tensor:
        """Give the logits, and after them the features along the same axis."""
        pooled = pooled.float()
        logits = cast(Tensor, self.classifier(pooled))
        if not self.features:
            return logits
        # One tensor passes through whatever the network does after its classifier (flattening).
        return torch.cat([logits, pooled], dim=1 if logits.ndim == 4 else -1)


class Network(nn.Module):
    """A network that normalises for itself.

    Parameters
    ----------
    model : torch.nn.Module
        Float pixels to logits.
    preprocessing : Preprocessing
        Its mean and std are used.
    precision : str
        Of the body; a key of `DTYPES`.
    channels_last : bool
        Keep the pixels in the order in which they come.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        precision: str = "fp32",
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.channels_last = channels_last
        self.dtype = DTYPES[precision]
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name), dtype=torch.float32)
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute float32 (N, K), or (N, K + D) with features, of uint8 (N, height, width, 3).

        The operations of timm's ``ToTensor`` and ``Normalize`` in their order.
        """
        # The permuted bytes are channels-last as they are, and floats made from them stay so.
        planes = pixels.permute(0, 3, 1, 2)
        if not self.channels_last:
            planes = planes.contiguous()
        floats = planes.to(torch.float32).div(255).sub(self.mean).div(self.std)
        return cast(Tensor, self.model(floats.to(self.dtype))).flatten(1).float()


def network_of(
    checkpoint: Checkpoint,
    precision: str = "fp32",
    *,
    channels_last: bool = False,
    features: bool = False,
    fold: bool = True,
) -> Network:
    """Build what a checkpoint computes, ready to be asked, on the CPU.

    Parameters
    ----------
    checkpoint : Checkpoint
        Half-precision weights are taken as float32 first.
    precision : str
        A key of `DTYPES`: of the weights and the arithmetic of the body. The head stays float32.
    channels_last : bool
        Lay the weights of convolutions out for channels-last pixels.
    features : bool
        Whether the pooled features follow the logits.
    fold : bool
        Take batch normalising into the convolutions before it, where that changes no logit by more
        than rounding does.

    Raises
    ------
    CheckpointError
        It is no image classifier: see `_require_logits`.
    """
    # The weights are replaced at once: building must not use up the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model = build(checkpoint.arch, len(checkpoint.classes))
    model.load_state_dict(dict(checkpoint.weights))
    model = model.float().eval().requires_grad_(False)
    _require_logits(model, checkpoint)
    if fold:
        model = folded(model, checkpoint.preprocessing)
    model = model.to(DTYPES[precision])
    _wrap_head(model, features)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    network = Network(model, checkpoint.preprocessing, precision, channels_last)
    return network.eval().requires_grad_(False)


def _require_logits(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Raise where a network does not answer an image with one number for each class.

    Weights that fit say nothing of that: without its pooling a transformer has a head too, whose
    numbers for the first place in the image would be taken for those of the image.
    """
    used, wanted = checkpoint.preprocessing, len(checkpoint.classes)
    remedy = "Take a classifier of whole images; leave out what changes its pooling or its size"
    try:
        with torch.inference_mode():
            answer = model(torch.zeros((1, 3, used.height, used.width)))
    except MemoryError:
        raise
    except Exception as error:  # networks raise whatever they like on what they cannot take
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        taken = f"it cannot take an image of {used.width} × {used.height} pixels ({said})"
        raise CheckpointError(f"a model of {checkpoint.arch}", taken, remedy) from error
    if not isinstance(answer, Tensor):
        given = f"a {type(answer).__name__}"
    elif answer.numel() != wanted:
        given = f"{' × '.join(map(str, answer.shape[1:]))} numbers"
    else:
        return
    raise CheckpointError(
        f"a model of {checkpoint.arch}",
        f"it is no image classifier: it answers an image with {given}, "
        f"not with one for each of its {wanted} classes",
        remedy,
    )


def folded(model: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Fold every batch norm into the convolution whose output it takes.

    Which follows which is seen by running one image through; the result is compared with the
    original on that image, and where a network does something else with its convolutions the
    original comes back.

    Source: the affine map of a batch norm in evaluation is absorbed by the linear map before it
    (``torch.nn.utils.fuse_conv_bn_eval``).
    """
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn((1, 3, preprocessing.height, preprocessing.width), generator=generator)
    with torch.inference_mode():
        before = model(pixels)
    pairs = _pairs(model, pixels)
    if not pairs:
        return model
    fused = copy.deepcopy(model)
    for convolution, norm in pairs:
        layer, normaliser = fused.get_submodule(convolution), fused.get_submodule(norm)
        fused.set_submodule(
            convolution,
            torch.nn.utils.fuse_conv_bn_eval(
                cast(nn.Conv2d, layer), cast(nn.BatchNorm2d, normaliser)
            ),
        )
        # timm's batch norms have the activation inside.
        rest = [getattr(normaliser, name) for name in ("drop", "act") if hasattr(normaliser, name)]
        fused.set_submodule(norm, nn.Sequential(*rest))
    try:
        with torch.inference_mode():
            after = fused(pixels)
    except AttributeError:  # the network asks its batch norm for something
        return model
    allowed = _CLOSE * max(1.0, float(before.std(correction=0)))
    return fused if bool((after - before).abs().max() <= allowed) else model


def _pairs(model: nn.Module, pixels: Tensor) -> list[tuple[str, str]]:
    """List the names of (convolution, batch norm of its output), each used exactly once."""
    made: dict[int, tuple[str, Tensor]] = {}
    uses: dict[str, int] = {}
    pairs = []

    def after(name: str, output: Tensor) -> None:
        uses[name] = uses.get(name, 0) + 1
        # Kept alive, so that no later tensor has the same id.
        made[id(output)] = (name, output)

    def before(name: str, given: Tensor) -> None:
        uses[name] = uses.get(name, 0) + 1
        if id(given) in made:
            pairs.append((made[id(given)][0], name))

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(
                module.register_forward_hook(lambda _m, _i, out, name=name: after(name, out))
            )
        elif isinstance(module, nn.BatchNorm2d) and module.track_running_stats:
            handles.append(
                module.register_forward_pre_hook(
                    lambda _m, given, name=name: before(name, given[0])
                )
            )
    with torch.inference_mode():
        model(pixels)
    for handle in handles:
        handle.remove()
    return [pair for pair in pairs if uses[pair[0]] == uses[pair[1]] == 1]


def _wrap_head(model: nn.Module, features: bool) -> None:
    """Put `Head` around what timm calls the classifier (both of them, in distilled networks)."""
    found = cast(nn.Module | tuple[nn.Module, ...], model.get_classifier())  # type: ignore[operator]
    heads = found if isinstance(found, tuple) else (found,)
    names = {id(module): name for name, module in model.named_modules()}
    for head in heads:
        model.set_submodule(names[id(head)], Head(head, features))
