"""Where people keep their images and masks: which file is the mask of which image.

Any of these, nested as deep as one likes, and each of them under `train` and `val` where the split is one's own:

    images/a.png           masks/a.tif            (or imgs, labels, annotations, gt …; see IMAGE_FOLDERS, MASK_FOLDERS)
    a.png                  a_mask.png             side by side (see MASK_SUFFIXES)
    imagesTr/a_0000.png    labelsTr/a.png

Names are compared as people read them: in Unicode's composed form, and in upper or lower case where that is unique.
Hidden files, the `._` files of a Mac and other files than images are left out and counted.
"""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import UsageError
from shared.images.formats import IMAGE_EXTENSIONS

IMAGE_FOLDERS = frozenset(
    {"images", "image", "imgs", "img", "imagestr", "inputs", "input", "raw", "frames", "jpegimages"}
)
MASK_FOLDERS = frozenset(
    {"masks", "mask", "labels", "label", "labelstr", "annotations", "annotation", "gt", "ground_truth", "groundtruth"}
    | {"truth", "targets", "target", "segmentation", "segmentations", "seg", "segmentationclass", "annots"}
)
TRAINING_FOLDERS = frozenset({"train", "training"})
VALIDATION_FOLDERS = frozenset({"val", "valid", "validation", "dev"})
TEST_FOLDERS = frozenset({"test", "testing", "imagests", "labelsts"})
MASK_SUFFIXES = ("mask", "masks", "cp_masks", "label", "labels", "seg", "segmentation", "gt", "annotation", "truth")
IMAGE_SUFFIXES = ("image", "img", "raw", "0000")
EXTENSIONS = IMAGE_EXTENSIONS | {".npy"}

_MASK_SUFFIX = re.compile(rf"(?<=.)[-_. ](?:{'|'.join(MASK_SUFFIXES)})$", re.IGNORECASE)
_IMAGE_SUFFIX = re.compile(rf"(?<=.)[-_. ](?:{'|'.join(IMAGE_SUFFIXES)})$", re.IGNORECASE)
_NOT_LOOKED_INTO = frozenset({"__macosx", "@eadir"})
_FOLD = re.compile(r"fold[-_ ]?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """The two files of one sample, and what it is called: its path in the folder, without the parts of the roles."""

    name: str
    image: Path
    masks: tuple[Path, ...]  # one, or one for each object
    part: str = ""  # "train" or "val" where the folder says it, or the name of its fold


@dataclass(frozen=True)
class Layout:
    """What was found in a folder."""

    folder: Path
    pairs: tuple[Pair, ...]  # by name
    unpaired_images: tuple[Path, ...] = ()
    unpaired_masks: tuple[Path, ...] = ()
    doubles: tuple[tuple[Path, Path], ...] = ()  # files of one name for one role
    left_out: dict[str, int] = field(default_factory=dict)  # files by what they are

    @property
    def has_own_split(self) -> bool:
        """Whether folders say which pairs are to be held out."""
        return {"train", "val"} <= {pair.part for pair in self.pairs}

    @property
    def folds(self) -> tuple[str, ...]:
        """The folders of folds, by name."""
        return tuple(sorted({pair.part for pair in self.pairs if _FOLD.fullmatch(pair.part)}))


@dataclass(frozen=True)
class _File:
    path: Path
    folders: tuple[str, ...]  # from the top down to it
    is_mask: bool
    part: str


def find_layout(folder: Path, mask_suffix: str | None = None) -> Layout:
    """Find the pairs of a folder.

    Args:
        folder: to be searched, all folders in it too.
        mask_suffix: what the name of a mask has behind that of its image, where it is none of MASK_SUFFIXES.

    Raises:
        UsageError: it cannot be read, or there is not one image in it.
    """
    left_out: Counter[str] = Counter()
    paths = list(_files(folder, left_out))
    if not paths:
        others = f" (it has {in_words(left_out)})" if left_out else ""
        raise UsageError(f"{folder} has no images{others}: put them into `images`, and their masks into `masks`, in it")
    files = _with_roles(folder, paths, mask_suffix, left_out)
    doubles: list[tuple[Path, Path]] = []
    images = _by_key([file for file in files if not file.is_mask], _IMAGE_SUFFIX, doubles)
    masks = _by_key([file for file in files if file.is_mask], _suffix(mask_suffix), doubles)
    pairs, lone_images, lone_masks = _paired(images, masks)
    return Layout(folder, pairs, lone_images, lone_masks, tuple(doubles), dict(left_out))


def match(images: Iterable[str], folder: Path, submitted: Collection[Path] = ()) -> Layout:
    """Find the masks of images that are known by their relative paths.

    Args:
        images: paths with `/`; `image` of each pair that is found is one of them.
        folder: of the masks, with all folders in it.
        submitted: resolved paths of the images, which are no masks though they may lie among them.

    Raises:
        UsageError: the folder cannot be read, or there is no mask in it.
    """
    left_out: Counter[str] = Counter()
    found = [path for path in _files(folder, left_out) if path.resolve() not in submitted]
    masks = [_File(path, read.kept, True, "") for path, read in _masks_in(folder, found)]
    if not masks:
        others = f" (it has {in_words(left_out)})" if left_out else ""
        raise UsageError(f"{folder} has no masks{others}: name the folder that they are in")
    doubles: list[tuple[Path, Path]] = []
    known = [Path(image) for image in images]
    asked = [_File(path, _read_folders(path.parts[:-1]).kept, False, "") for path in known]
    pairs, lone_images, lone_masks = _paired(
        _by_key(asked, _IMAGE_SUFFIX, doubles), _by_key(masks, _MASK_SUFFIX, doubles)
    )
    twice = {path for both in doubles for path in both}  # which of the two is meant nobody can say
    sure = tuple(pair for pair in pairs if not twice & {pair.image, *pair.masks})
    return Layout(folder, sure, lone_images, lone_masks, tuple(doubles), dict(left_out))


def _files(folder: Path, left_out: Counter[str]) -> Iterable[Path]:
    def refuse(error: OSError) -> None:
        raise UsageError(
            f"{error.filename or folder} cannot be read ({error.strerror}): put `images` and `masks` side by side"
        ) from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name.casefold() not in _NOT_LOOKED_INTO
        )
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("."):
                left_out["hidden"] += 1
            elif path.suffix.lower() not in EXTENSIONS:
                left_out["no images"] += 1
            else:
                yield path


def _with_roles(folder: Path, paths: Sequence[Path], mask_suffix: str | None, left_out: Counter[str]) -> list[_File]:
    """Tell images from masks, by their folders where these say it, else by their names."""
    found = [(path, _read_folders(path.relative_to(folder).parts[:-1])) for path in paths]
    roles = {read.role for _, read in found}
    usual = {(read.role, read.kept) for _, read in found if read.is_usual}
    suffix = _suffix(mask_suffix)
    files = []
    for path, read in found:
        role, kept = read.role, read.kept
        part = _part(path.relative_to(folder).parts[:-1])
        if part == "test":
            left_out["for tests"] += 1
        elif (role, kept) in usual and not read.is_usual:
            left_out["in other folders beside `images` and `masks`"] += 1
        elif role is None and {"image", "mask"} <= roles:
            left_out["beside the folders of images and masks"] += 1
        else:
            is_mask = role == "mask" if "mask" in roles else suffix.search(path.stem) is not None
            files.append(_File(path, kept, is_mask, part))
    return files


@dataclass(frozen=True)
class _Reading:
    role: str | None  # "image" or "mask"
    kept: tuple[str, ...]  # the other folders
    is_usual: bool = False  # whether its name is the one that comes first


def _read_folders(folders: Sequence[str]) -> _Reading:
    """Return the role that the innermost folder of one gives, and the other folders; of `train_masks`, `train`."""
    for place in range(len(folders) - 1, -1, -1):
        *before, last = re.split(r"[-_ ](?=[^-_ ]+$)", folders[place])
        for name, rest in ((folders[place], ""), (last, "".join(before))):
            for role, names in (("mask", MASK_FOLDERS), ("image", IMAGE_FOLDERS)):
                if name.casefold() in names:
                    kept = (*folders[:place], *filter(None, [rest]), *folders[place + 1 :])
                    return _Reading(role, kept, name.casefold() in ("images", "masks"))
    return _Reading(None, tuple(folders))


def _masks_in(folder: Path, paths: Sequence[Path]) -> list[tuple[Path, _Reading]]:
    """Leave out the images, where the folders say which these are."""
    read = [(path, _read_folders(path.relative_to(folder).parts[:-1])) for path in paths]
    return [(path, reading) for path, reading in read if reading.role != "image"]


def _part(folders: Sequence[str]) -> str:
    for name in folders:
        for part, names in (("train", TRAINING_FOLDERS), ("val", VALIDATION_FOLDERS), ("test", TEST_FOLDERS)):
            if name.casefold() in names:
                return part
        if _FOLD.fullmatch(name):
            return name
    return ""


def _suffix(mask_suffix: str | None) -> re.Pattern[str]:
    return _MASK_SUFFIX if mask_suffix is None else re.compile(rf"(?<=.){re.escape(mask_suffix)}$")


Key = tuple[str, ...]


def _by_key(
    files: Sequence[_File], suffix: re.Pattern[str], doubles: list[tuple[Path, Path]]
) -> tuple[dict[Key, _File], dict[Key, list[Key]]]:
    """Index files by folders and name, and these by the same without a suffix and in one case."""
    exact: dict[Key, _File] = {}
    loose: dict[Key, list[Key]] = defaultdict(list)
    for file in files:
        key = tuple(unicodedata.normalize("NFC", part) for part in (*file.folders, file.path.stem))
        if key in exact:
            doubles.append((exact[key].path, file.path))
            continue
        exact[key] = file
        short = (*key[:-1], suffix.sub("", key[-1]))
        for each in {_folded(key), _folded(short)}:
            loose[each].append(key)
    return exact, loose


def _folded(key: Key) -> Key:
    return tuple(part.casefold() for part in key)


def _paired(
    images: tuple[dict[Key, _File], dict[Key, list[Key]]],
    masks: tuple[dict[Key, _File], dict[Key, list[Key]]],
) -> tuple[tuple[Pair, ...], tuple[Path, ...], tuple[Path, ...]]:
    (of_images, loose_images), (of_masks, loose_masks) = images, masks
    mask_of = {key: key for key in of_images if key in of_masks}
    taken = set(mask_of)
    for name, keys in sorted(loose_images.items()):
        free = [key for key in keys if key not in mask_of]
        wanted = [key for key in loose_masks.get(name, ()) if key not in taken]
        if len(free) == len(wanted) == 1:  # of several, which belongs to which is not for us to say
            mask_of[free[0]] = wanted[0]
            taken.add(wanted[0])
    pairs = [
        Pair("/".join(key), of_images[key].path, (of_masks[mask_of[key]].path,), of_images[key].part) for key in mask_of
    ]
    lone_images = {key: file for key, file in of_images.items() if key not in mask_of}
    lone_masks = {key: file for key, file in of_masks.items() if key not in taken}
    for key, masks_in in _alone_in_their_folders(lone_images, lone_masks, of_images, taken):
        pairs.append(
            Pair(
                "/".join(key), of_images[key].path, tuple(of_masks[mask].path for mask in masks_in), of_images[key].part
            )
        )
        del lone_images[key]
        for mask in masks_in:
            del lone_masks[mask]
    return (
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(file.path for _, file in sorted(lone_images.items())),
        tuple(file.path for _, file in sorted(lone_masks.items())),
    )


def _alone_in_their_folders(
    images: Mapping[Key, _File], masks: Mapping[Key, _File], all_images: Mapping[Key, _File], taken: set[Key]
) -> Iterator[tuple[Key, list[Key]]]:
    """Find an image that has a folder of its own, with one mask or a file for each object."""
    in_folder = Counter(key[:-1] for key in all_images)
    of_others = {mask[:-1] for mask in taken}
    its_own: dict[Key, list[Key]] = defaultdict(list)
    for mask in sorted(masks):
        its_own[mask[:-1]].append(mask)
    for key in sorted(images):
        folder = key[:-1]
        if folder and in_folder[folder] == 1 and folder not in of_others and folder in its_own:
            yield key, its_own[folder]


def in_words(left_out: Mapping[str, int]) -> str:
    """Return which files were left out: "3 hidden, 12 no images"."""
    return ", ".join(f"{count:,} {kind}" for kind, count in left_out.items())
